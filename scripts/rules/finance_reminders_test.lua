-- An invoice of 2026-01-01, due on 2026-01-31; reminders after 7, 21 and 35 days.

local function story(name, run)
    test(name, function()
        if kontor.enabled("finance") then
            given.clock("2026-01-01T09:00:00Z")
            given.setting("finance.locked_until", "")
            given.setting("finance.reminder_days", "7,21,35")
            run()
        end
    end)
end

local function invoice(more)
    local values = { kind = "company", name = "Quellmalz Prüfstand" }
    for name, value in pairs(more or {}) do
        values[name] = value
    end
    local id = given.record("finance.invoice", { party = given.record("parties.party", values),
        date = "2026-01-01", payment_days = 30,
        lines = { { text = "Beam", quantity = 1, price = "100.00", tax_rate = 0 } } })
    kontor.call("finance.invoice.post", { id = id })
    return id
end

local function on(day)
    given.clock(day .. "T06:00:00Z")
    expect.ok(when.schedule("custom.payment_reminders"))
end

local function count(id)
    return kontor.count("custom.reminder", { { "invoice", "=", id } })
end

story("from the seventh day, once", function()
    local id = invoice()
    on("2026-02-06")
    expect.equal(count(id), 0)
    on("2026-02-07")
    on("2026-02-07")
    on("2026-02-08")
    expect.equal(count(id), 1)
    local reminder = kontor.search("custom.reminder", { { "invoice", "=", id } })[1]
    expect.equal(reminder.level, 1)
    expect.equal(reminder.days_overdue, 7)
    expect.equal(reminder.open, kontor.decimal("100.00"))
end)

story("level by level, and no fourth", function()
    local id = invoice()
    for _, day in ipairs({ "2026-02-07", "2026-02-21", "2026-03-07", "2026-06-30" }) do
        on(day)
    end
    expect.equal(count(id), 3)
end)

story("never two within a week, however late it is", function()
    local id = invoice()
    on("2026-06-01")
    on("2026-06-07")
    expect.equal(count(id), 1)
    on("2026-06-08")
    expect.equal(count(id), 2)
end)

story("those that are never reminded of do not stand before the others", function()
    for _ = 1, 4 do
        invoice({ x_no_reminders = true })
    end
    local id = invoice()
    on("2026-02-07")
    expect.equal(count(id), 1)
end)

story("paid is paid", function()
    local id = invoice()
    on("2026-02-07")
    local payment = given.record("finance.payment", {
        party = kontor.get("finance.invoice", id).party, date = "2026-02-07", amount = "100.00" })
    kontor.call("finance.payment.post", { id = payment })
    local reminder = kontor.search("custom.reminder", { { "invoice", "=", id } })[1]
    expect.equal(reminder.state, "settled")
    on("2026-03-01")
    expect.equal(count(id), 1)
end)

story("who is never reminded, and when nobody is", function()
    local spared = invoice({ x_no_reminders = true })
    on("2026-03-01")
    expect.equal(count(spared), 0)
    given.setting("finance.reminder_days", "")
    local id = invoice()
    on("2026-03-01")
    expect.equal(count(id), 0)
end)
