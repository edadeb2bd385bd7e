local function story(name, run)
    test(name, function()
        if kontor.enabled("customers") then
            given.setting("customers.duplicates", "refuse")
            run()
        end
    end)
end

local function party(values)
    values.kind = values.kind or "company"
    return given.record("parties.party", values)
end

-- The first one is there; the second one is made by somebody who may.
local function second(first, other, more)
    local there = given.record("customers.customer", { party = party(first) })
    local values = { party = party(other) }
    for name, value in pairs(more or {}) do
        values[name] = value
    end
    given.user("probe.desk", { "customers.user" })
    return when.create("customers.customer", values), there
end

story("the same name, however it is written", function()
    local outcome, there = second({ name = "Quellmalz Prüfstand GmbH & Co. KG" },
        { name = "QUELLMALZ  Prüfstand" })
    expect.denied(outcome, "customers.duplicates", "party")
    expect.equal(outcome.details.code, "duplicate")
    expect.equal(outcome.details.customer, there)
    expect.equal(outcome.details.by, "x_name_key")
end)

story("a Chinese company is the same without its form", function()
    expect.denied(second({ name = "青岛探测设备有限公司" }, { name = "青岛探测设备" }),
        "customers.duplicates")
end)

story("the same phone, with and without country code", function()
    expect.denied(second({ name = "Probe One", phone = "+49 (0)451 555-019-77" },
        { name = "Probe Two", phone = "0451 55501977" }), "customers.duplicates")
end)

story("the same e-mail or tax number", function()
    expect.denied(second({ name = "Probe One", email = "Office@Probe.example" },
        { name = "Probe Two", email = "office@probe.example" }), "customers.duplicates")
    expect.denied(second({ name = "Probe Three", tax_number = "PROBE-111" },
        { name = "Probe Four", tax_number = "PROBE-111" }), "customers.duplicates")
end)

story("whoever is sure says so", function()
    expect.ok(second({ name = "Quellmalz Prüfstand" }, { name = "Quellmalz Prüfstand" },
        { x_duplicate_ok = true }))
end)

story("different ones, and empty fields, are none", function()
    expect.ok(second({ name = "Probe One" }, { name = "Probe Two" }))
    -- Too short to tell anything.
    expect.ok(second({ name = "Probe Three", phone = "110" },
        { name = "Probe Four", phone = "110" }))
end)

story("what is missing is for the server to say", function()
    given.user("probe.desk", { "customers.user" })
    expect.fails(when.create("customers.customer", {}), "invalid", "party")
    expect.fails(when.create("parties.party", { kind = "company" }), "invalid", "name")
end)

story("two persons may have one name, and one phone", function()
    expect.ok(second({ kind = "person", name = "Quellmalz Probe", phone = "0451 55501977" },
        { kind = "person", name = "Quellmalz Probe", phone = "0451 55501977" }))
end)

story("the company may not want it", function()
    given.setting("customers.duplicates", "allow")
    expect.ok(second({ name = "Quellmalz Prüfstand" }, { name = "Quellmalz Prüfstand" }))
end)
