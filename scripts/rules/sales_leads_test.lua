local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") then
            given.setting("sales.lead_assignment", "round_robin")
            given.setting("sales.lead_team", "probe.ann, probe.bob")
            given.user("probe.ann", { "sales.user" })
            given.user("probe.bob", { "sales.user" })
            given.user("probe.clerk", { "sales.user" })
            run()
        end
    end)
end

local function id_of(login)
    return kontor.find("system.user", "name", login).id
end

local function lead(values)
    values.name = values.name or "A lead"
    -- Another rule may want large ones to be planned, as the README's first does.
    values.close_date = kontor.today() + 30
    local outcome = when.create("sales.opportunity", values)
    expect.ok(outcome)
    return outcome.answer
end

story("the score adds up", function()
    -- referral 30, 50 000 and more 30, e-mail 10, phone 10
    expect.equal(lead{ source = "Referral", expected_value = "50000", email = "a@example.org",
                       phone = "555 0100" }.x_score, 80)
    -- website 15, 10 000 and more 20
    expect.equal(lead{ source = "website", expected_value = "49999.99" }.x_score, 35)
end)

story("who tells nothing scores nothing", function()
    expect.equal(lead{}.x_score, 0)
    expect.equal(lead{ source = "hearsay", expected_value = "999.99" }.x_score, 0)
end)

story("the score follows the lead", function()
    local id = lead{ source = "fair" }.id
    expect.ok(when.update("sales.opportunity", id, { expected_value = "1000" }))
    expect.record("sales.opportunity", id, { x_score = 30 })
end)

story("the team takes turns", function()
    local first = lead{}.salesperson
    local second = lead{}.salesperson
    expect.equal(first == second, false)
    expect.equal(lead{}.salesperson, first)
end)

story("a salesperson who is named stays", function()
    expect.equal(lead{ salesperson = id_of("probe.clerk") }.salesperson, id_of("probe.clerk"))
end)

story("or the least busy takes it", function()
    given.setting("sales.lead_assignment", "least_busy")
    given.record("sales.opportunity", { name = "Old", salesperson = id_of("probe.ann") })
    expect.equal(lead{}.salesperson, id_of("probe.bob"))
    -- One each now: the first of the team.
    expect.equal(lead{}.salesperson, id_of("probe.ann"))
end)

story("a region goes to who looks after it", function()
    given.user("anna", { "sales.user" })
    given.user("probe.clerk")
    expect.equal(lead{ region = "north" }.salesperson, id_of("anna"))
end)

story("without a team nobody is named", function()
    given.setting("sales.lead_team", "")
    expect.equal(lead{ region = "atlantis" }.salesperson, nil)
    given.setting("sales.lead_team", "nobody.of.that.name")
    expect.equal(lead{}.salesperson, nil)
end)
