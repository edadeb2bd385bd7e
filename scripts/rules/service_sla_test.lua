-- 2026-11-24 is a Tuesday; work is from 08:00 to 18:00, Monday to Friday.

local function story(name, run)
    test(name, function()
        given.setting("service.utc_offset", "0")
        run()
    end)
end

local function ticket(at, priority)
    given.clock(at)
    given.user("probe.agent", { "custom.user" })
    local outcome = when.create("custom.ticket", { subject = "It squeaks", priority = priority })
    expect.ok(outcome)
    return outcome.id
end

local function promised(at, priority, respond_by, solve_by)
    expect.record("custom.ticket", ticket(at, priority),
        { respond_by = respond_by, solve_by = solve_by })
end

story("within the day", function()
    promised("2026-11-24T09:00:00Z", "urgent", "2026-11-24T09:30:00Z", "2026-11-24T13:00:00Z")
end)

story("what is left counts from the next morning", function()
    -- 17:45 and 30 minutes: 15 today, 15 tomorrow; 4 hours: 15 minutes and 3:45.
    promised("2026-11-24T17:45:00Z", "urgent", "2026-11-25T08:15:00Z", "2026-11-25T11:45:00Z")
end)

story("exactly to the end of the day", function()
    promised("2026-11-24T17:30:00Z", "urgent", "2026-11-24T18:00:00Z", "2026-11-25T11:30:00Z")
end)

story("nights, weekends and holidays do not count", function()
    -- Friday 20:00: from Monday 08:00. 8 hours; 30 hours are Monday, Tuesday, Wednesday.
    promised("2026-11-27T20:00:00Z", "normal", "2026-11-30T16:00:00Z", "2026-12-02T18:00:00Z")
    given.record("custom.holiday", { date = "2026-11-30", name = "Probe's day" })
    promised("2026-11-27T20:00:00Z", "normal", "2026-12-01T16:00:00Z", "2026-12-03T18:00:00Z")
end)

story("our clock is not UTC", function()
    given.setting("service.utc_offset", "8")
    -- 23:00 UTC is 07:00 of the next day in Beijing: opens at 08:00, 00:00 UTC.
    promised("2026-11-23T23:00:00Z", "urgent", "2026-11-24T00:30:00Z", "2026-11-24T04:00:00Z")
end)

story("what is missing is for the server to say", function()
    local id = ticket("2026-11-24T09:00:00Z", "low")
    expect.fails(when.update("custom.ticket", id, { priority = kontor.none }), "invalid",
        "priority")
end)

story("another priority, another promise", function()
    local id = ticket("2026-11-24T09:00:00Z", "low")
    expect.ok(when.update("custom.ticket", id, { priority = "urgent" }))
    expect.record("custom.ticket", id, { respond_by = "2026-11-24T09:30:00Z" })
end)

story("what is late goes up, once for each level", function()
    local id = ticket("2026-11-24T09:00:00Z", "urgent")
    given.clock("2026-11-24T09:30:00Z")
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.record("custom.ticket", id, { level = 0 })
    given.clock("2026-11-24T09:30:01Z")
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.record("custom.ticket", id, { level = 1 })
    expect.event("custom.ticket_late")
    local version = kontor.get("custom.ticket", id).version
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.equal(kontor.get("custom.ticket", id).version, version)
    given.clock("2026-11-24T13:00:01Z")
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.record("custom.ticket", id, { level = 2 })
end)

story("answered and solved in time stays where it is", function()
    local id = ticket("2026-11-24T09:00:00Z", "urgent")
    expect.ok(when.call("custom.ticket.answer", { id = id }))
    given.clock("2026-11-24T10:00:00Z")
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.record("custom.ticket", id, { level = 0 })
    expect.ok(when.call("custom.ticket.solve", { id = id }))
    given.clock("2026-11-30T10:00:00Z")
    expect.ok(when.schedule("custom.ticket_escalation"))
    expect.record("custom.ticket", id, { level = 0 })
end)
