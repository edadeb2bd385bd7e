---@meta
-- What rule files see, for editors (LuaLS), for `kontor rules check` and for the reference. Each
-- thing is told in English, then in Chinese. The entities of a server are added by `kontor rules
-- stubs`. A test holds this file against the sandbox: everything there is here, and nothing else.

---An exact number: + - * exact, / to 12 digits, comparisons; `tostring` for a message.
---精确数值：+ - * 精确，/ 保留 12 位小数，可比较；在消息中用 `tostring`。
---@class Decimal
---@operator add(Decimal|integer): Decimal
---@operator sub(Decimal|integer): Decimal
---@operator mul(Decimal|integer): Decimal
---@operator div(Decimal|integer): Decimal
---@operator unm: Decimal
local Decimal = {}
---Rounded to so many digits; mode: half_away (usual), half_even, half_down, up, down, ceiling,
---floor.
---舍入到指定小数位；方式：half_away（默认）、half_even、half_down、up、down、ceiling、floor。
---@param digits integer
---@param mode? string
---@return Decimal
function Decimal:round(digits, mode) end
---Without its sign.
---绝对值。
---@return Decimal
function Decimal:abs() end
---Is it 0? (`d == 0` is always false: Lua compares only alike with alike.)
---是否为 0（`d == 0` 恒为假：Lua 只比较同类值）。
---@return boolean
function Decimal:is_zero() end
---1, 0 or -1.
---符号：1、0 或 -1。
---@return integer
function Decimal:sign() end

---A day: `d + 30`, `d - 7`, `d1 - d2` in days; comparisons, also with "2026-11-24".
---日期：`d + 30`、`d - 7`，`d1 - d2` 为天数；可比较，也可与 "2026-11-24" 比较。
---@class Date
---@field year integer
---@field month integer
---@field day integer
---@field weekday integer 1 is Monday
---@operator add(integer): Date
---@operator sub(integer): Date
---@operator sub(Date): integer
local Date = {}
---The same day so many months later, or the month's last when it has no such day.
---若干个月后的同一天；该月无此日则取月末。
---@param months integer
---@return Date
function Date:add_months(months) end
---The first of its month.
---当月第一天。
---@return Date
function Date:start_of_month() end
---The last of its month.
---当月最后一天。
---@return Date
function Date:end_of_month() end
---Its beginning, in UTC.
---当天零点（UTC）。
---@return Instant
function Date:instant() end

---A moment: `t + seconds`, `t1 - t2` in seconds; comparisons; `tostring` gives ISO 8601 in UTC.
---时刻：`t + 秒`，`t1 - t2` 为秒数；可比较；`tostring` 为 ISO 8601（UTC）。
---@class Instant
---@field hour integer
---@field minute integer
---@field second integer
---@operator add(integer): Instant
---@operator sub(integer): Instant
---@operator sub(Instant): integer
local Instant = {}
---Its day.
---所在日期。
---@return Date
function Instant:date() end

---A text in both languages, made by kontor.t.
---双语文本，由 kontor.t 生成。
---@class Label
---@field en string
---@field zh string

---What is going on while a rule runs.
---规则运行时的情形。
---@class Step
---@field moment string create, update, delete, archive, restore or transition
---@field verb? string of the transition
---@field old? any the record as it was
---@field params? any of the transition

---What a handler is told.
---处理程序收到的事件。
---@class Event
---@field topic string
---@field entity? string
---@field id? integer
---@field record? any
---@field old? any
---@field payload? table

---@class Rule
---@field on string|string[] ENTITY.before_MOMENT or ENTITY.after_MOMENT
---@field name string
---@field priority? integer lower runs first; 50 is usual
---@field as? string the role whose rights it has; its caller's otherwise
---@field disable_after? integer failures in a row after which it is off
---@field check fun(record: any, step: Step)

---@class Handler
---@field on string|string[] topics such as "sales.order.confirmed"
---@field name string
---@field priority? integer
---@field as? string
---@field disable_after? integer
---@field run fun(event: Event)

---@class Method
---@field name string begins with "custom."; its permission, too
---@field label? string|string[] English and Chinese
---@field permission? string another permission that it asks for
---@field params? Field[]
---@field writes? boolean without it, it runs beside the writer and changes nothing
---@field as? string
---@field priority? integer
---@field disable_after? integer
---@field run fun(params: any): any

---@class Schedule
---@field name string begins with "custom."
---@field every? string "15m", "1h", "1d"
---@field daily? string "06:30"
---@field as? string
---@field priority? integer
---@field disable_after? integer
---@field run fun()

---@class Field
---@field name string of field{}: begins with "x_"
---@field type string text, int, decimal, money, quantity, bool, date, instant, enum, ref, json...
---@field entity? string of field{} alone: the entity that gets it
---@field lines? string|Field[] of field{} the name of its lines; in entity{} their fields
---@field label? string|string[]
---@field help? string|string[]
---@field to? string the entity that ref and refs name
---@field choices? any[] of enum: names, or {name, label}
---@field initial? any "today", "now" or a value
---@field default? fun(record: any): any for a field left empty
---@field compute? fun(record: any): any at each save; nobody else writes it
---@field required? boolean
---@field unique? boolean
---@field indexed? boolean
---@field readonly? boolean clients do not write it; rules may
---@field immutable? boolean
---@field positive? boolean
---@field nonnegative? boolean
---@field multiline? boolean
---@field searchable? boolean
---@field sensitive? boolean
---@field set_null? boolean
---@field cascade? boolean
---@field digits? integer
---@field max_length? integer
---@field sequence? string such as "T{year}-{5}"
---@field currency? string the field that holds it
---@field unit? string the field that holds it
---@field frozen? string[] states in which it cannot be changed

---@class State
---@field name string
---@field label? string|string[]
---@field locked? boolean
---@field posted? boolean

---@class Transition
---@field verb string
---@field from string
---@field to string
---@field event? string
---@field label? string|string[]
---@field params? Field[]

---@class Index
---@field fields string[]
---@field unique? boolean
---@field sparse? boolean leaves out records with an empty or false field
---@field name? string

---@class Entity
---@field name string begins with "custom."
---@field label? string|string[]
---@field help? string|string[]
---@field title? string the field that names a record to people
---@field fields Field[]
---@field states? (string|State)[]
---@field transitions? Transition[]
---@field indexes? Index[]
---@field append_only? boolean
---@field no_history? boolean

---@class Total
---@field name string begins with "custom."
---@field entity string
---@field label? string|string[]
---@field by string[] fields, also "date:month"
---@field sum (string|table)[] fields, or {name, field, minus}
---@field when? string a field
---@field is? string[] what it must be

---Refuses a change, or fills fields, before or after it.
---在变更前后拒绝变更或填写字段。
---@param declaration Rule
function rule(declaration) end
---Does something once something has happened, in the same transaction.
---事件发生后在同一事务中执行。
---@param declaration Handler
function handler(declaration) end
---A method that clients may call.
---供客户端调用的方法。
---@param declaration Method
function method(declaration) end
---Runs from time to time.
---定时运行。
---@param declaration Schedule
function schedule(declaration) end
---A topic for kontor.emit: name, label.
---供 kontor.emit 使用的主题：name、label。
---@param declaration {name: string, label?: string|string[]}
function event(declaration) end
---Another pattern for the numbers of an entity, such as "SO-{region}-{year}{month}-{4}".
---单据编号的格式，例如 "SO-{region}-{year}{month}-{4}"。
---@param declaration {entity: string, field: string, pattern: string}
function numbering(declaration) end
---A field for an entity that is there.
---为已有实体增加字段。
---@param declaration Field
function field(declaration) end
---An entity of one's own.
---自定义实体。
---@param declaration Entity
function entity(declaration) end
---A running sum.
---累计合计。
---@param declaration Total
function total(declaration) end
---A role with its rights.
---角色及其权限。
---@param declaration {name: string, label?: string|string[], grants: string[]}
function role(declaration) end

kontor = {}
---Empties a field in the values of kontor.create and kontor.update.
---在 kontor.create、kontor.update 的值中清空字段。
kontor.none = nil
---The record with that id; an error when there is none.
---按编号读取记录；不存在则报错。
---@param entity string
---@param id integer
---@return any
function kontor.get(entity, id) end
---The record whose unique field has that value, or nil.
---按唯一字段查找记录，找不到则为 nil。
---@param entity string
---@param field string
---@param value any
---@return any
function kontor.find(entity, field, value) end
---A list of records: {{"state", "=", "posted"}}, {order = "-date,number", limit = 10}.
---查询记录列表：{{"state", "=", "posted"}}, {order = "-date,number", limit = 10}。
---@param entity string
---@param where? table[]
---@param options? {order?: string, limit?: integer}
---@return any[]
function kontor.search(entity, where, options) end
---How many there are.
---符合条件的记录数。
---@param entity string
---@param where? table[]
---@return integer
function kontor.count(entity, where) end
---A row of a running total: its measures as decimals, and count.
---累计合计中的一行：各项数值及 count。
---@param total string
---@param ... any
---@return any
function kontor.total(total, ...) end
---Makes a record; its id.
---新建记录，返回编号。
---@param entity string
---@param values table
---@return integer
function kontor.create(entity, values) end
---Changes a record.
---修改记录。
---@param entity string
---@param id integer
---@param values table
function kontor.update(entity, id, values) end
---Deletes a record.
---删除记录。
---@param entity string
---@param id integer
function kontor.delete(entity, id) end
---Calls any method a client may call, but those of the server itself; its answer.
---调用客户端可用的方法（服务器管理类除外），返回结果。
---@param method string
---@param params? table
---@return any
function kontor.call(method, params) end
---Announces an event of this file's topics: entity and id, the rest is its payload.
---发布事件：entity、id，其余为附加内容。
---@param topic string
---@param payload? table
function kontor.emit(topic, payload) end
---Is that module enabled?
---模块是否启用。
---@param module string
---@return boolean
function kontor.enabled(module) end
---A company setting, or `otherwise`.
---公司设置，没有则取 `otherwise`。
---@param name string
---@param otherwise? any
---@return any
function kontor.setting(name, otherwise) end
---Who asks.
---请求人的用户名。
---@return string
function kontor.user() end
---Who asks: the id of a system.user, 0 for the server.
---请求人的编号，服务器为 0。
---@return integer
function kontor.user_id() end
---Has who asks that role? (An administrator has every one.)
---请求人是否有该角色（管理员拥有全部角色）。
---@param role string
---@return boolean
function kontor.has_role(role) end
---The company's day.
---今天。
---@return Date
function kontor.today() end
---The moment of the request.
---请求的时刻。
---@return Instant
function kontor.now() end
---An exact number from a text or an integer.
---由文本或整数得到精确数值。
---@param value string|integer|Decimal
---@return Decimal
function kontor.decimal(value) end
---An amount, rounded to the digits of the company's currency.
---金额，按公司币种的小数位舍入。
---@param value string|integer|Decimal
---@return Decimal
function kontor.money(value) end
---A day from "2026-11-24" or year, month, day.
---由 "2026-11-24" 或年、月、日得到日期。
---@param value string|integer|Date
---@param month? integer
---@param day? integer
---@return Date
function kontor.date(value, month, day) end
---A moment from ISO 8601.
---由 ISO 8601 文本得到时刻。
---@param value string|Instant
---@return Instant
function kontor.instant(value) end
---Random: a whole number up to m, or from m to n; anew in each request, always alike in tests.
---随机整数：1 到 m，或 m 到 n；每次请求不同，测试中固定。
---@param m? integer
---@param n? integer
---@return integer|number
function kontor.random(m, n) end
---A text in English and Chinese; each %s is filled in.
---中英双语文本，依次填入 %s。
---@param en string
---@param zh string
---@param ... any
---@return Label
function kontor.t(en, zh, ...) end
---Refuses: nothing is changed.
---拒绝：不作任何变更。
---@param message string|Label
---@param options? {field?: string, message_zh?: string, code?: string, details?: table}
function kontor.deny(message, options) end
---A line in the server's log.
---写入服务器日志。
---@param ... any
function kontor.log(...) end

---A test, in NAME_test.lua beside the rules: runs at each push and is undone.
---测试，写在规则旁的 NAME_test.lua 中：每次推送时运行并撤销。
---@param name string
---@param run fun()
function test(name, run) end
given = {}
---The moment of what follows.
---设定当前时刻。
---@param at string|Instant
function given.clock(at) end
---Acts as that user from now on; with roles, makes it first.
---此后以该用户身份操作；给出角色则先创建。
---@param name string
---@param roles? string[]
function given.user(name, roles) end
---Acts as the server again.
---恢复以服务器身份操作。
function given.server() end
---Sets a company setting.
---设定公司设置。
---@param name string
---@param value any
function given.setting(name, value) end
---A record, made by the server; its id.
---由服务器新建记录，返回编号。
---@param entity string
---@param values table
---@return integer
function given.record(entity, values) end

---What came of when.*; what failed changed nothing.
---when.* 的结果；失败者未作任何变更。
---@class Outcome
---@field ok boolean
---@field id? integer
---@field answer? any
---@field code? string
---@field message? string
---@field message_zh? string
---@field entity? string
---@field rule? string
---@field field? string
---@field details? table

when = {}
---Calls a method.
---调用方法。
---@param method string
---@param params? table
---@return Outcome
function when.call(method, params) end
---Makes a record.
---新建记录。
---@param entity string
---@param values table
---@return Outcome
function when.create(entity, values) end
---Changes a record.
---修改记录。
---@param entity string
---@param id integer
---@param values table
---@return Outcome
function when.update(entity, id, values) end
---Deletes a record.
---删除记录。
---@param entity string
---@param id integer
---@return Outcome
function when.delete(entity, id) end
---Runs a schedule{}.
---运行定时任务。
---@param name string
---@return Outcome
function when.schedule(name) end

expect = {}
---It went well.
---应成功。
---@param outcome Outcome
function expect.ok(outcome) end
---That rule denied it.
---应被该规则拒绝。
---@param outcome Outcome
---@param rule string
---@param field? string
function expect.denied(outcome, rule, field) end
---It failed with that code.
---应以该代码失败。
---@param outcome Outcome
---@param code string
---@param field? string
function expect.fails(outcome, code, field) end
---Both are the same.
---两者应相等。
---@param actual any
---@param expected any
function expect.equal(actual, expected) end
---The record has these values.
---记录应有这些值。
---@param entity string
---@param id integer
---@param values table
function expect.record(entity, id, values) end
---That topic was announced, so many times.
---应发布过该主题，可指定次数。
---@param topic string
---@param count? integer
function expect.event(topic, count) end

-- What there is of Lua's own library.
return {
    base = { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print",
             "select", "setmetatable", "tonumber", "tostring", "type", "xpcall" },
    string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep",
               "reverse", "sub", "upper" },
    table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
    math = { "abs", "ceil", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
             "mininteger", "modf", "pi", "sqrt", "tointeger", "type", "ult" },
    utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
}
