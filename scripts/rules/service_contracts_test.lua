local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") then
            run()
        end
    end)
end

local function customer()
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    return given.record("customers.customer", { party = party })
end

local function contract(of)
    return given.record("custom.service_contract", { customer = of,
        devices = { { serial = "A-1", fee = "120.00" }, { serial = "A-2", fee = "80.50" } } })
end

local function confirm_urgent(of)
    local order = given.record("sales.order", { customer = of, x_priority = "urgent",
        lines = { { text = "Repair", quantity = 1, price = "10.00", tax_rate = 0 } } })
    given.user("probe.seller", { "sales.user", "custom.service_desk" })
    return when.call("sales.order.confirm", { id = order })
end

story("the fee is the sum of the devices", function()
    local id = contract(customer())
    expect.record("custom.service_contract", id, { fee = "200.50" })
    given.user("probe.desk", { "custom.service_desk" })
    expect.ok(when.update("custom.service_contract", id, { devices = {} }))
    expect.record("custom.service_contract", id, { fee = "0" })
end)

story("a device without a fee is refused by name", function()
    given.user("probe.desk", { "custom.service_desk" })
    expect.fails(when.create("custom.service_contract", { customer = customer(),
        devices = { { serial = "A-1" } } }), "invalid", "devices[0].fee")
end)

story("the fee is not for people to write", function()
    local id = contract(customer())
    given.user("probe.desk", { "custom.service_desk" })
    expect.fails(when.update("custom.service_contract", id, { fee = "1.00" }), "invalid", "fee")
end)

story("urgent orders need a running contract", function()
    local of = customer()
    local id = contract(of)
    -- A draft is not enough,
    expect.denied(confirm_urgent(of), "custom.urgent_order", "x_priority")
    kontor.call("custom.service_contract.start", { id = id })
    expect.equal(kontor.total("custom.contract_fees", of).fee, kontor.decimal("200.50"))
    expect.ok(confirm_urgent(of))
    -- and one that ended no more.
    kontor.call("custom.service_contract.finish", { id = id })
    expect.denied(confirm_urgent(of), "custom.urgent_order", "x_priority")
end)
