-- Reorder below 20, up to 100, in lots of 30.

local function story(name, run)
    test(name, function()
        if kontor.enabled("inventory") then
            given.clock("2026-11-24T05:00:00Z")
            given.setting("finance.locked_until", "")
            run()
        end
    end)
end

local function place(kind)
    return kontor.search("inventory.location", { { "kind", "=", kind }, { "active", "=", true } },
        { limit = 1 })[1].id
end

local function product(stock, code)
    local id = given.record("products.product", { code = code or "PROBE-1", name = "Probe",
        cost = "2.00" })
    if stock then
        given.record("inventory.move", { kind = "receipt", lines = { { product = id,
            from = place("supplier"), to = place("internal"), quantity = stock,
            unit_cost = "2.00" } } })
    end
    return id
end

local function point(of, lot)
    given.record("custom.reorder_point", { product = of, minimum = 20, target = 100, lot = lot })
end

local function morning()
    expect.ok(when.schedule("custom.reorder"))
end

local function proposals(of)
    return kontor.search("custom.purchase_proposal", { { "product", "=", of } }, { order = "id" })
end

story("at the reorder point nothing is missing", function()
    local id = product(20)
    point(id)
    morning()
    expect.equal(#proposals(id), 0)
end)

story("below it the stock is filled up, in whole lots", function()
    local id = product(19)
    point(id, 30)
    morning()
    -- 81 are missing: three lots.
    expect.equal(proposals(id)[1].quantity, kontor.decimal("90"))
    expect.equal(proposals(id)[1].state, "proposed")
end)

story("without lots, exactly", function()
    local id = product()
    point(id)
    morning()
    expect.equal(proposals(id)[1].quantity, kontor.decimal("100"))
end)

story("what is on its way counts, so nothing is proposed twice", function()
    local id = product(5)
    point(id)
    morning()
    morning()
    expect.equal(#proposals(id), 1)
    kontor.call("custom.purchase_proposal.order", { id = proposals(id)[1].id })
    morning()
    expect.equal(#proposals(id), 1)
    -- Dropped, it is missing again.
    kontor.call("custom.purchase_proposal.drop", { id = proposals(id)[1].id })
    morning()
    expect.equal(#proposals(id), 2)
end)

story("what is promised to orders is not there any more", function()
    if not kontor.enabled("sales") then
        return
    end
    local id = product(50)
    point(id)
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    local order = given.record("sales.order", {
        customer = given.record("customers.customer", { party = party }),
        lines = { { product = id, quantity = 60, price = "3.00", tax_rate = 0 } } })
    kontor.call("sales.order.confirm", { id = order })
    morning()
    -- 50 are there, 50 reserved, 10 waited for: 110 are missing.
    expect.equal(proposals(id)[1].quantity, kontor.decimal("110"))
end)

story("each point is looked at, however many there are", function()
    local ids = {}
    for number = 1, 5 do
        ids[number] = product(nil, "PROBE-" .. number)
        point(ids[number])
    end
    morning()
    for _, id in ipairs(ids) do
        expect.equal(#proposals(id), 1)
    end
end)

story("without a reorder point nobody asks", function()
    local id = product()
    morning()
    expect.equal(#proposals(id), 0)
end)
