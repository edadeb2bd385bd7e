/* Goal: no rule, by malice or mistake, gets out of the sandbox, keeps the server busy, eats its
 * memory or leaves the next request a broken rule host.
 * Method: rules that try, run on a small shop (script_fixture.h); after each an ordinary one runs.
 */
#include <time.h>

#include "kontor/limits.h"
#include "script_fixture.h"

/* --- Reaching out --- */

static void what_could_reach_out_is_not_there(void **state)
{
    struct world *w = *state;
    static const char *const absent[] = {
        "io",      "os",         "package",  "debug",    "require",
        "load",    "loadstring", "dofile",   "loadfile", "collectgarbage",
        "rawget",  "rawset",     "rawequal", "rawlen",   "coroutine",
        "_G",      "_VERSION",   "arg",      "newproxy", "module",
        "setfenv", "getfenv",    "unpack",   "warn"};
    char body[100], why[100];
    for (size_t i = 0; i < KT_COUNT(absent); i++) {
        snprintf(body, sizeof body, "return %s", absent[i]);
        snprintf(why, sizeof why, "there is no global '%s'", absent[i]);
        assert_breaks(w, body, why);
    }
    static const char *const members[][2] = {
        {"string", "dump"}, {"string", "pack"},     {"string", "unpack"}, {"string", "packsize"},
        {"math", "random"}, {"math", "randomseed"}, {"table", "foo"},     {"kontor", "exec"},
        {"utf8", "x"},      {"string", "__index"}};
    for (size_t i = 0; i < KT_COUNT(members); i++) {
        snprintf(body, sizeof body, "return %s.%s", members[i][0], members[i][1]);
        snprintf(why, sizeof why, "%s has no '%s'", members[i][0], members[i][1]);
        assert_breaks(w, body, why);
    }
    assert_breaks(w, "return ('x').dump", "string has no 'dump'");
    assert_breaks(w, "return ('x'):dump()", "string has no 'dump'");
}

static void attempts_to_change_the_library_fail(void **state)
{
    struct world *w = *state;
    static const char *const attempts[][2] = {
        {"string.format = nil", "string cannot be changed"},
        {"kontor.deny = print", "kontor cannot be changed"},
        {"kontor.new = print", "kontor cannot be changed"},
        {"table.insert(kontor, 1)", "plain tables"},
        {"table.insert(_ENV, 1)", "plain tables"},
        {"setmetatable(kontor, {})", "cannot be changed"},
        {"setmetatable(_ENV, {})", "cannot be changed"},
        {"setmetatable(string, {})", "cannot be changed"},
        {"setmetatable({}, {__concat = print})", "cannot have __concat"},
        {"local mt = {} local t = setmetatable({}, mt) mt.__concat = print return t .. ''",
         "attempt to concatenate a table"},
        {"setmetatable('', {})", "table expected"},
        {"setmetatable(record, {})", "table expected"},
        {"setmetatable(record.total, {})", "table expected"},
        {"getmetatable('').__index = nil", "attempt to index a nil value"},
        {"getmetatable(record).__index = nil", "attempt to index a nil value"},
        {"getmetatable(kontor).__index = nil", "attempt to index a boolean value"},
        {"getmetatable(_ENV).__index = nil", "attempt to index a boolean value"},
        {"setmetatable({}, {__gc = print})", "cannot have __gc"},
        {"setmetatable({}, {__close = print})", "cannot have __close"},
        {"setmetatable({}, {__mode = 'k'})", "cannot have __mode"},
        {"x = 1", "global 'x' is assigned inside a check"},
        {"_ENV.x = 1", "global 'x' is assigned inside a check"},
        {"rule = nil", "global 'rule' is assigned inside a check"},
        {"rule{ on = 'shop.order.before_create', name = 'n', check = print }",
         "stands at the top of a rule file"},
        {"return y", "there is no global 'y'"},
        {"string.format('%p', {})", "no %p"},
        {"string.format('%d\\0%p', 1, {})", "no %p"},
        {"string.format('%%%-5p', {})", "no %p"},
    };
    for (size_t i = 0; i < KT_COUNT(attempts); i++)
        assert_breaks(w, attempts[i][0], attempts[i][1]);
}

static void files_do_not_see_each_other(void **state)
{
    struct world *w = *state;
    static const char first[] = "limit = 5\n"
                                "function over(x) return x > limit end\n"
                                "kontor = kontor\n"
                                "rule{ on = 'shop.order.before_create', name = 'a',\n"
                                "check = function(r) if over(6) then r.note = 'over' end end }";
    static const char second[] = "assert(not pcall(function() return limit end))\n"
                                 "assert(not pcall(function() return over end))\n"
                                 "string = nil\n"
                                 "rule{ on = 'shop.order.before_create', name = 'b',\n"
                                 "check = function(r) r.copies = #r.note end }";
    static const char third[] = "assert(string.rep('x', 2) == 'xx')";
    struct script_file files[] = {{"a.lua", "pushed", first, sizeof first - 1},
                                  {"b.lua", "pushed", second, sizeof second - 1},
                                  {"c.lua", "module:shop", third, sizeof third - 1}};
    assert_ok(w, script_set_build(&w->ctx, files, KT_COUNT(files), &w->rules));
    uint64_t id = must_make(w, "shop.order", order_values(w));
    assert_int_equal(kt_get_int(load(w, "shop.order", id), "copies"), 4);
}

static void nothing_tells_where_memory_lies(void **state)
{
    assert_passes(*state, "assert(tostring({}) == 'table' and tostring(print) == 'function')\n"
                          "assert(string.format('%s %s', {}, record.lines) == 'table userdata')\n"
                          "assert(tostring(kontor) == 'table')\n"
                          "local t = setmetatable({}, {__tostring = function() return 'me' end})\n"
                          "assert(tostring(t) == 'me' and string.format('%s', t) == 'me')\n"
                          "assert(tostring(nil) == 'nil' and tostring(1.5) == '1.5')");
}

/* --- Staying --- */

static void assert_alive(struct world *w)
{
    next_request(w);
    assert_passes(w, "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(i) end\n"
                     "assert(#table.concat(t, '', 1, 900) == 405450)");
}

/* Each of these would run for ever, or for hours. What ends them is steps, or, on a machine slowed
 * down by sanitizers, time. */
static void work_without_end_ends_with_the_budget(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(error) end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return pcall(f) end while true do f() end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do xpcall(error, function() while true do end end) end",
        "local mt = {} local t = setmetatable({}, mt)\n"
        "mt.__index = function(_, k) return t[k + 1] end while true do pcall(function()\n"
        "return t[1] end) end",
        "local mt = {} local t = setmetatable({}, mt)\n"
        "mt.__close = function() while true do end end\n"
        "while true do pcall(function() local x <close> = t while true do end end) end",
        "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do end end)",
        "for _ in (function() return 1 end) do end",
        "for _ in pairs(setmetatable({}, {__pairs = function() return function() return 1 end\n"
        "end})) do end",
        "::again:: goto again",
        "local s = ('a'):rep(60000) while true do s:find('.-.-.-.-.-.-.-b') end",
        "while true do pcall(string.find, ('a'):rep(50000), ('a*'):rep(50) .. 'b') end",
        "for _ in (('a'):rep(60000)):gmatch('(.-)(.-)(.-)b') do end",
        "return (('a'):rep(60000)):gsub('.-.-.-.-b', 'x')",
        "return (('('):rep(60000)):find('%b()')  or ('('):rep(400000):match('%b()', 5) or\n"
        "(function() while true do (('('):rep(9000)):find('%b()') end end)()",
        "local s = ('a'):rep(200000) while true do s = s:sub(2) .. 'b' end",
        "local s = ('a'):rep(400000) while true do local t = s .. 'b' end",
        "while true do pcall(string.rep, 'x', 1 << 40) end",
        "while true do pcall(string.rep, 'x', 30 << 20) end",
        "local t = {} for i = 1, 200000 do t[i] = i % 7 end while true do table.sort(t) end",
        "while true do pcall(table.concat, {}, '', 1, 1 << 60) end",
        "while true do pcall(table.unpack, {}, 1, 900000) end",
        "while true do pcall(table.move, {}, 1, 1 << 60, 2) end",
        "while true do table.move({}, 1, 900000, 2) end",
        "local t = {} while true do pcall(table.insert, t, 1, 1) end",
        "local t = {} for i = 1, 300000 do t[i] = i end while true do table.remove(t, 1) end",
        "while true do kontor.log() end",
        "while true do pcall(kontor.has_role, 'x') end",
        "while true do local x = record.total + 1 end",
        "while true do for _ in pairs(record) do end end",
        "while true do record.note = nil end",
    };
    for (size_t i = 0; i < KT_COUNT(bodies); i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_breaks(w, bodies[i], "used up their");
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double seconds =
            (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
        if (seconds > 15)
            fail_msg("%.1f s: %s", seconds, bodies[i]);
    }
    assert_alive(w);
}

/* The budget is the request's, not the rule's. */
static void the_budget_is_spent_once_per_request(void **state)
{
    struct world *w = *state;
    use_rules(w, "rule{ on = 'shop.entry.before_create', name = 't', check = function(record)\n"
                 "  for _ = 1, 300000 do local x = 1 end\n"
                 "end }");
    enum kt_status status = KT_OK;
    int passed = 0;
    for (; passed < 1000 && status == KT_OK; passed++)
        status = make(w, "shop.entry", values(w), NULL);
    assert_int_equal(status, KT_RULE_FAILED);
    assert_in_range(passed, 3, 30);
    context_forgive(&w->ctx);
    assert_int_equal(make(w, "shop.entry", values(w), NULL), KT_RULE_FAILED);
    assert_string_equal(w->ctx.error.rule, "t");
    assert_contains(w->ctx.error.message, "used up their steps");
    assert_contains(w->ctx.error.message_zh, "步数");
    next_request(w);
    must_make(w, "shop.entry", values(w));
}

static void memory_bombs_fail_and_leave_no_trace(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {
        "local t = {} while true do t = {t, t} end",
        "local t = {} for i = 1, 1 << 40 do t[i] = i end",
        "local t = {} for i = 1, 1 << 40 do t[i .. ''] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1 << 30)",
        "return ('x'):rep(20 << 20)",
        "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(500000) .. i end",
        "local function f() return f() + 1 end return f()",
        "local function f(...) while true do f(1, ...) end end f()",
        "local function f(...) return f(1, ...) + 1 end return f()",
        "return (('x'):rep(10000)):gsub('x', ('y'):rep(10000))",
        "local t = {} for i = 1, 100000 do t[i] = ('x'):rep(100) end\n"
        "return table.concat(t, ('y'):rep(1000))",
        "local t = {} for i = 1, 1 << 40 do t[i] = record.total end",
        "local t = {} while true do t[#t + 1] = function() return t end end",
        "return ('%99d'):rep(100000):format(1, 2)",
    };
    char caught[500];
    for (size_t i = 0; i < KT_COUNT(bodies); i++) {
        snprintf(caught, sizeof caught, "pcall(function() %s end) error('went on')", bodies[i]);
        assert_breaks(w, bodies[i], "test.lua:");
        assert_breaks(w, caught, "test.lua:");
    }
    assert_alive(w);
}

/* Values given to the engine take the request's memory, not Lua's. */
static void filling_the_requests_memory_ends_the_request(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {
        "local s = ('x'):rep(60000) while true do pcall(function() record.note = s .. #s end) end",
        "local s = ('x'):rep(60000) for i = 1, 1 << 40 do pcall(function()\n"
        "record.extra = {s, s, i} end) end",
        "local s = ('x'):rep(60000) while true do pcall(kontor.find, 'shop.order', 'number', s) "
        "end",
        "while true do pcall(kontor.search, 'shop.order') end",
        "while true do pcall(kontor.setting, ('x'):rep(50000), 'y') end",
    };
    for (size_t i = 0; i < KT_COUNT(bodies); i++) {
        use_rule(w, "shop.order.before_create", bodies[i]);
        enum kt_status status = make(w, "shop.order", order_values(w), NULL);
        if (status != KT_TOO_LARGE && status != KT_RULE_FAILED)
            fail_msg("%s: %s", bodies[i], kt_status_code(status));
        assert_string_equal(w->ctx.error.rule, "t");
        next_request(w);
    }
    assert_alive(w);
}

static void what_rules_keep_for_ever_is_bounded_too(void **state)
{
    struct world *w = *state;
    use_rules(w, "local kept = {}\n"
                 "rule{ on = 'shop.entry.before_create', name = 't', check = function(record)\n"
                 "  for i = 1, 20 do kept[#kept + 1] = ('x'):rep(400000) .. #kept end\n"
                 "end }");
    enum kt_status status = KT_OK;
    for (int i = 0; i < 100 && status == KT_OK; i++) {
        next_request(w);
        status = make(w, "shop.entry", values(w), NULL);
    }
    assert_int_equal(status, KT_RULE_FAILED);
    assert_contains(w->ctx.error.message, "memory");
    next_request(w);
    must_make(w, "shop.order", order_values(w));
}

/* --- Odd errors --- */

static void odd_error_values_become_texts(void **state)
{
    struct world *w = *state;
    static const char *const odd[][2] = {
        {"error()", "raised with a nil"},
        {"error({code = 1})", "raised with a table"},
        {"error(print)", "raised with a function"},
        {"error(record)", "raised with a userdata"},
        {"error(true)", "raised with a boolean"},
        {"error(42)", "42"},
        {"error('plain', 0)", "test.lua:2: plain"},
        {"error('a\\0b\\xff\\n\\27[0m')", "a?b?\n?[0m"},
        {"error(('x'):rep(100000))", "xxx"},
        {"error(setmetatable({}, {__tostring = function() while true do end end}))",
         "raised with a table"},
        {"local t = nil; return t.x", "attempt to index a nil value (local 't')"},
        {"return #5", "attempt to get length"},
        {"assert(false, 'said so')", "said so"},
        {"assert(nil)", "assertion failed"},
        {"error(setmetatable({}, {__index = error}))", "raised with a table"},
        {"local function f() error('deep') end f()", "test.lua:2: deep"},
    };
    for (size_t i = 0; i < KT_COUNT(odd); i++)
        assert_breaks(w, odd[i][0], odd[i][1]);
    use_rule(w, "shop.order.before_create", "error(('x'):rep(100000))");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_RULE_FAILED);
    assert_true(strlen(w->ctx.error.message) < 1100);
}

static void caught_errors_go_on(void **state)
{
    assert_passes(
        *state, "local ok, why = pcall(error, 'x', 0) assert(not ok and why == 'x')\n"
                "ok, why = pcall(error) assert(not ok and why == nil)\n"
                "assert(select('#', pcall(function() return 1, nil, nil end)) == 4)\n"
                "ok, why = pcall(function() return record.nonsense end)\n"
                "assert(not ok and why:find('nonsense', 1, true))\n"
                "ok, why = xpcall(function(a, b) return a + b end, print, 2, 3)\n"
                "assert(ok and why == 5)\n"
                "ok, why = xpcall(function() error('e', 0) end, function(m) return m .. '!' end)\n"
                "assert(not ok and why == 'e!')\n"
                "ok, why = xpcall(error, tostring) assert(not ok and why == 'nil')");
}

/* --- The library that is there works --- */

static void patterns_work_as_the_manual_says(void **state)
{
    assert_passes(
        *state,
        "local function is(want, ...)\n"
        "  local got = {...}\n"
        "  for i = 1, select('#', ...) do got[i] = tostring((select(i, ...))) end\n"
        "  got = table.concat(got, '|')\n"
        "  if got ~= want then error(got .. ' ~= ' .. want, 2) end\n"
        "end\n"
        "is('1|5', ('hello'):find(''  .. 'hello'))\n"
        "is('3|4', ('hello'):find('l+'))\n"
        "is('nil', ('hello'):find('z'))\n"
        "is('5|6', ('a+b a+b'):find('a+', 2, true))\n"
        "is('1|0', (''):find(''))\n"
        "is('nil', (''):find('', 10))\n"
        "is('6|5', ('hello'):find('', 6))\n"
        "is('4|5', ('hello'):find('lo', -2))\n"
        "is('key|value', ('key = value'):match('^(%w+)%s*=%s*(%w+)$'))\n"
        "is('2026|11|23', ('2026-11-23'):match('(%d+)-(%d+)-(%d+)'))\n"
        "is('trimmed text', ('  trimmed text  '):match('^%s*(.-)%s*$'))\n"
        "is('3', ('hello'):match('()ll'))\n"
        "is('(a(b)c)', ('x(a(b)c)y'):match('%b()'))\n"
        "is('THE', ('THE (quick) fox'):match('%f[%a]%a+'))\n"
        "is('\\'|it', ([[say 'it']]):match([[(['\"])(.-)%1]]))\n"
        "is('x', ('a]x'):match('[^]a]'))\n"
        "is('-', ('a-b'):match('[+-]'))\n"
        "is('c', ('abc'):match('[^ab]'))\n"
        "is('%', ('50%'):match('%%'))\n"
        "is('b', ('ab'):match('a?(b)'))\n"
        "is('', ('bbb'):match('a*'))\n"
        "is('nil', ('bbb'):match('a+'))\n"
        "is('hexx|1', ('hello'):gsub('llo', 'xx'))\n"
        "is('h-l-|2', ('helo'):gsub('[aeiou]', '-'))\n"
        "is('-h-e-|3', ('he'):gsub('', '-'))\n"
        "is('<he> <wo>|2', ('he wo'):gsub('%w+', '<%0>'))\n"
        "is('b=a|1', ('a=b'):gsub('(%w)=(%w)', '%2=%1'))\n"
        "is('1+x|1', ('a+x'):gsub('%w', {a = 1}, 1))\n"
        "is('AB|2', ('ab'):gsub('.', string.upper))\n"
        "is('ab|2', ('ab'):gsub('.', function() end))\n"
        "is('xb|1', ('ab'):gsub('^.', 'x'))\n"
        "is('100%|1', ('x'):gsub('x', '100%%'))\n"
        "is('abc  d|1', ('abc d'):gsub(' ', '  '))\n"
        "local words = {}\n"
        "for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do words[#words + 1] = k .. v end\n"
        "is('a1|b2', table.unpack(words))\n"
        "local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end is('4', n)\n"
        "n = 0 for _ in ('a,b,,c'):gmatch('[^,]*') do n = n + 1 end is('4', n)\n"
        "for _, bad in ipairs{'(', '[a', '%', '%1', '(()', '%b', '%f', '[%', '[]', '(%1)',\n"
        "    ('()'):rep(33), '[^'} do\n"
        "  assert(not pcall(string.find, 'aaaa', bad), bad)\n"
        "end\n"
        "assert(not pcall(string.match, 'a)', ')') and (')'):find(')') == 1)\n"
        "assert(not pcall(string.gsub, 'a', 'a', '%2'))\n"
        "assert(not pcall(string.gsub, 'a', 'a', '%'))\n"
        "assert(not pcall(string.gsub, 'a', 'a', '%x'))\n"
        "assert(not pcall(string.gsub, 'a', 'a', function() return {} end))\n"
        "assert(not pcall(string.gsub, 'a', 'a'))\n");
}

static void the_chosen_library_works(void **state)
{
    assert_passes(*state,
                  "local t = {3, 1, 2} table.sort(t) assert(table.concat(t, ',') == '1,2,3')\n"
                  "table.sort(t, function(a, b) return a > b end) assert(t[1] == 3)\n"
                  "table.insert(t, 4) table.insert(t, 1, 0) assert(#t == 5 and t[1] == 0)\n"
                  "assert(table.remove(t) == 4 and table.remove(t, 1) == 0)\n"
                  "assert(select('#', table.unpack(t)) == 3 and table.pack(1, 2).n == 2)\n"
                  "assert(#table.move(t, 1, 3, 4) == 6)\n"
                  "record.tags = {'a', 'b'}\n"
                  "assert(table.concat(record.tags, '+') == 'a+b')\n"
                  "assert(math.max(1, 2) == 2 and math.floor(2.5) == 2 and 7 // 2 == 3)\n"
                  "assert(utf8.len('北京') == 2 and #utf8.char(21271) == 3)\n"
                  "assert(('%5.2f|%s|%d'):format(1.5, 'x', 3) == ' 1.50|x|3')\n"
                  "assert(('x'):rep(3, ',') == 'x,x,x' and ('abc'):upper() == 'ABC')\n"
                  "assert('10' + 5 == 15 and tonumber('0x10') == 16 and type(nil) == 'nil')\n"
                  "local class = {} class.__index = class\n"
                  "function class.new(x) return setmetatable({x = x}, class) end\n"
                  "function class:get() return self.x end\n"
                  "assert(class.new(5):get() == 5 and getmetatable(class.new(1)) == class)\n"
                  "local n = 0 for k in pairs({a = 1, 2}) do n = n + 1 end assert(n == 2)\n"
                  "assert(next({}) == nil)");
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        SHOP_STORY(what_could_reach_out_is_not_there),
        SHOP_STORY(attempts_to_change_the_library_fail),
        SHOP_STORY(files_do_not_see_each_other),
        SHOP_STORY(nothing_tells_where_memory_lies),
        SHOP_STORY(work_without_end_ends_with_the_budget),
        SHOP_STORY(the_budget_is_spent_once_per_request),
        SHOP_STORY(memory_bombs_fail_and_leave_no_trace),
        SHOP_STORY(filling_the_requests_memory_ends_the_request),
        SHOP_STORY(what_rules_keep_for_ever_is_bounded_too),
        SHOP_STORY(odd_error_values_become_texts),
        SHOP_STORY(caught_errors_go_on),
        SHOP_STORY(patterns_work_as_the_manual_says),
        SHOP_STORY(the_chosen_library_works),
    };
    return cmocka_run_group_tests_name("script sandbox", stories, NULL, NULL);
}
