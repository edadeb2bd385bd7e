-- Tickets with promised times: first answer and solution by priority, counted in working time.
-- What is late goes up a level and is announced.
-- 服务工单时限：按优先级与工作时间计算响应与解决期限，超时逐级上报。

-- Promised minutes of working time: first answer, solution.
local promised = {
    urgent = { 30, 4 * 60 },
    high = { 2 * 60, 8 * 60 },
    normal = { 8 * 60, 3 * 10 * 60 },
    low = { 2 * 10 * 60, 5 * 10 * 60 },
}
-- Monday to Friday, in hours of our clock; setting service.utc_offset says how far it is from UTC.
local opens_at, closes_at, last_weekday = 8, 18, 5

entity{
    name = "custom.holiday",
    label = { "Holiday", "节假日" },
    title = "name",
    fields = {
        { name = "date", type = "date", required = true, unique = true, label = { "Date", "日期" } },
        { name = "name", type = "text", required = true, label = { "Name", "名称" } },
    },
}

entity{
    name = "custom.ticket",
    label = { "Ticket", "工单" },
    title = "number",
    fields = {
        { name = "number", type = "text", unique = true, readonly = true, sequence = "T{year}-{5}",
          label = { "Number", "工单号" } },
        { name = "customer", type = "ref", to = "customers.customer",
          label = { "Customer", "客户" } },
        { name = "subject", type = "text", required = true, searchable = true,
          label = { "Subject", "主题" } },
        { name = "priority", type = "enum", required = true, initial = "normal",
          label = { "Priority", "优先级" },
          choices = {
              { name = "low", label = { "Low", "低" } },
              { name = "normal", label = { "Normal", "普通" } },
              { name = "high", label = { "High", "高" } },
              { name = "urgent", label = { "Urgent", "紧急" } },
          } },
        { name = "opened", type = "instant", required = true, immutable = true, initial = "now",
          label = { "Opened", "受理时间" } },
        { name = "respond_by", type = "instant", readonly = true,
          label = { "Answer by", "响应期限" } },
        { name = "solve_by", type = "instant", readonly = true,
          label = { "Solve by", "解决期限" } },
        { name = "level", type = "int", readonly = true, initial = 0,
          label = { "Level", "上报级别" },
          help = { "0: in time, 1: answer late, 2: solution late", "0 正常，1 响应超时，2 解决超时" } },
    },
    states = {
        { name = "open", label = { "Open", "待响应" } },
        { name = "answered", label = { "Answered", "处理中" } },
        { name = "solved", label = { "Solved", "已解决" }, locked = true },
    },
    transitions = {
        { verb = "answer", from = "open", to = "answered", event = "answered",
          label = { "Answer", "响应" } },
        { verb = "solve", from = "answered", to = "solved", event = "solved",
          label = { "Solve", "解决" } },
    },
    indexes = { { fields = { "state", "respond_by" } }, { fields = { "state", "solve_by" } } },
}

event{ name = "custom.ticket_late", label = { "Ticket late", "工单超时" } }

role{
    name = "custom.sla",
    label = { "Promised times (for the rules)", "服务时限（规则专用）" },
    grants = { "custom.holiday.read", "custom.ticket.read", "custom.ticket.update" },
}

local function is_workday(day)
    return day.weekday <= last_weekday and not kontor.find("custom.holiday", "date", day)
end

-- The moment when that much working time is over.
local function working_time_after(start, minutes)
    local offset = math.tointeger(kontor.setting("service.utc_offset", "0")) * 3600
    local at, left = start + offset, minutes * 60
    for _ = 1, 366 do
        local day = at:date()
        if is_workday(day) then
            local opens = day:instant() + opens_at * 3600
            local closes = day:instant() + closes_at * 3600
            local from = at > opens and at or opens
            local room = closes - from
            if room >= left then
                return from + left - offset
            elseif room > 0 then
                left = left - room
            end
        end
        at = (day + 1):instant()
    end
    error("there is no working time within a year: look at the holidays")
end

rule{
    on = "custom.ticket.before_save",
    name = "custom.ticket_promise",
    as = "custom.sla",
    check = function(ticket, step)
        local minutes = promised[ticket.priority]
        local asked = step.old and step.old.priority == ticket.priority
        if asked or not minutes or not ticket.opened then
            return
        end
        ticket.respond_by = working_time_after(ticket.opened, minutes[1])
        ticket.solve_by = working_time_after(ticket.opened, minutes[2])
    end,
}

local function escalate(where, level)
    local late = kontor.search("custom.ticket", where, { limit = 200 })
    for _, ticket in ipairs(late) do
        if ticket.level < level then
            kontor.update("custom.ticket", ticket.id, { level = level })
            kontor.emit("custom.ticket_late", { entity = "custom.ticket", id = ticket.id,
                number = ticket.number, subject = ticket.subject, level = level })
        end
    end
end

schedule{
    name = "custom.ticket_escalation",
    every = "5m",
    as = "custom.sla",
    run = function()
        local now = kontor.now()
        escalate({ { "state", "=", "open" }, { "respond_by", "<", now }, { "level", "<", 1 } }, 1)
        for _, state in ipairs({ "open", "answered" }) do
            escalate({ { "state", "=", state }, { "solve_by", "<", now }, { "level", "<", 2 } }, 2)
        end
    end,
}
