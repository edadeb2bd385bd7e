-- Payment reminders: each open invoice that is overdue is reminded of, level by level, each level
-- once. Active when the setting finance.reminder_days says after how many days: "7,21,35".
-- 付款催收：发票逾期后按级别逐次催收，每级只催一次。

local days_between_levels = 7
local page = 1000

entity{
    name = "custom.reminder",
    label = { "Payment reminder", "催款通知" },
    title = "number",
    fields = {
        { name = "number", type = "text", unique = true, readonly = true, sequence = "RM{year}-{5}",
          label = { "Number", "编号" } },
        { name = "invoice", type = "ref", to = "finance.invoice", required = true,
          label = { "Invoice", "发票" } },
        { name = "party", type = "ref", to = "parties.party", label = { "Party", "往来单位" } },
        { name = "level", type = "int", required = true, positive = true,
          label = { "Level", "级别" } },
        { name = "date", type = "date", required = true, initial = "today",
          label = { "Date", "日期" } },
        { name = "days_overdue", type = "int", label = { "Days overdue", "逾期天数" } },
        { name = "open", type = "money", label = { "Open", "未付金额" } },
    },
    states = {
        { name = "due", label = { "To be sent", "待发送" } },
        { name = "sent", label = { "Sent", "已发送" }, locked = true },
        { name = "settled", label = { "Settled", "已结清" }, locked = true },
    },
    transitions = {
        { verb = "send", from = "due", to = "sent", event = "sent", label = { "Sent", "已发送" } },
        { verb = "settle", from = "due", to = "settled", event = "settled",
          label = { "Settle", "结清" } },
        { verb = "settle", from = "sent", to = "settled", event = "settled",
          label = { "Settle", "结清" } },
    },
    indexes = { { fields = { "invoice", "level" }, unique = true } },
}

field{
    entity = "parties.party",
    name = "x_no_reminders",
    type = "bool",
    label = { "No reminders", "不催款" },
}

role{
    name = "custom.dunning",
    label = { "Reminders (for the rules)", "催款（规则专用）" },
    grants = { "custom.reminder.*", "finance.invoice.read", "parties.party.read" },
}

local function levels()
    local days = {}
    for number in (kontor.setting("finance.reminder_days") or ""):gmatch("%d+") do
        days[#days + 1] = math.tointeger(number)
    end
    return days
end

local function remind(invoice, days, today)
    local last = kontor.search("custom.reminder", { { "invoice", "=", invoice.id } },
        { order = "-level", limit = 1 })[1]
    local level = last and last.level + 1 or 1
    local overdue = today - invoice.due_date
    if level > #days or overdue < days[level]
        or (last and today - last.date < days_between_levels)
        or kontor.get("parties.party", invoice.party).x_no_reminders then
        return
    end
    kontor.create("custom.reminder", { invoice = invoice.id, party = invoice.party, level = level,
        date = today, days_overdue = overdue, open = invoice.open })
end

schedule{
    name = "custom.payment_reminders",
    daily = "06:00",
    as = "custom.dunning",
    run = function()
        local days = levels()
        if #days == 0 or not kontor.enabled("finance") then
            return
        end
        local today, last = kontor.today(), 0
        repeat
            local overdue = kontor.search("finance.invoice", { { "state", "=", "posted" },
                { "due_date", "<=", today - days[1] }, { "id", ">", last } },
                { order = "id", limit = page })
            for _, invoice in ipairs(overdue) do
                remind(invoice, days, today)
                last = invoice.id
            end
        until #overdue < page
    end,
}

handler{
    on = { "finance.invoice.paid", "finance.invoice.cancelled" },
    name = "custom.reminders_settled",
    as = "custom.dunning",
    run = function(event)
        for _, reminder in ipairs(kontor.search("custom.reminder", {
            { "invoice", "=", event.id }, { "state", "!=", "settled" } })) do
            kontor.call("custom.reminder.settle", { id = reminder.id })
        end
    end,
}
