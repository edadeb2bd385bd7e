-- A product at 10.00; agreed with everybody 9.00 from 100, with segment a 8.50, with one customer
-- 8.00, from 50 7.50.

local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") and kontor.enabled("products") then
            given.clock("2026-11-24T09:00:00Z")
            given.setting("company.vat_taxpayer", "")
            run()
        end
    end)
end

local function customer(segment, name)
    local party = given.record("parties.party", { kind = "company",
        name = name or "Quellmalz Prüfstand" })
    return given.record("customers.customer", { party = party, segment = segment })
end

local function product()
    return given.record("products.product", { code = "PROBE-1", name = "Probe", price = "10.00" })
end

local function agree(of, values)
    values.product = of
    values.starts = values.starts or "2026-01-01"
    return given.record("custom.price_agreement", values)
end

-- The price of an order's only line.
local function price(of, buyer, quantity, more)
    local line = { product = of, quantity = quantity }
    for name, value in pairs(more or {}) do
        line[name] = value
    end
    local outcome = when.create("sales.order", { customer = buyer, lines = { line } })
    expect.ok(outcome)
    return outcome.answer.lines[1].price, outcome.answer
end

story("nothing agreed: the price list", function()
    expect.equal(price(product(), customer("b"), 1), "10.00")
end)

story("by quantity, to the piece", function()
    local probe, buyer = product(), customer("b")
    agree(probe, { breaks = { { min_quantity = 100, price = "9.00" } } })
    expect.equal(price(probe, buyer, 99), "10.00")
    expect.equal(price(probe, buyer, 100), "9.00")
end)

story("the closest agreement counts", function()
    local probe, buyer = product(), customer("a")
    agree(probe, { breaks = { { price = "9.00" } } })
    agree(probe, { segment = "a", breaks = { { price = "8.50" } } })
    expect.equal(price(probe, buyer, 1), "8.50")
    agree(probe, { customer = buyer,
                   breaks = { { price = "8.00" }, { min_quantity = 50, price = "7.50" } } })
    expect.equal(price(probe, buyer, 49), "8.00")
    expect.equal(price(probe, buyer, 50), "7.50")
    -- Others have no part in it.
    expect.equal(price(probe, customer("c", "Probe Two Works"), 50), "9.00")
end)

story("only in its days", function()
    local probe, buyer = product(), customer("b")
    agree(probe, { starts = "2026-11-25", breaks = { { price = "1.00" } } })
    agree(probe, { ends = "2026-11-23", breaks = { { price = "2.00" } } })
    expect.equal(price(probe, buyer, 1), "10.00")
    agree(probe, { starts = "2026-11-24", ends = "2026-11-24", breaks = { { price = "3.00" } } })
    expect.equal(price(probe, buyer, 1), "3.00")
end)

story("a price of its own stays", function()
    local probe, buyer = product(), customer("b")
    agree(probe, { breaks = { { price = "9.00" } } })
    expect.equal(price(probe, buyer, 1, { price = "12.00", x_own_price = true }), "12.00")
end)

story("another quantity brings another price, and the amounts follow", function()
    local probe, buyer = product(), customer("b")
    agree(probe, { breaks = { { min_quantity = 100, price = "9.00" } } })
    local _, order = price(probe, buyer, 100)
    expect.equal(order.net, "900.00")
    local line = order.lines[1].id
    expect.ok(when.update("sales.order", order.id, { lines = { { id = line, quantity = 10 } } }))
    expect.record("sales.order", order.id, { net = "100.00" })
    -- A price that somebody changes afterwards is left alone.
    expect.ok(when.update("sales.order", order.id, { lines = { { id = line, price = "9.50" } } }))
    expect.record("sales.order", order.id, { net = "95.00" })
end)

story("what is missing is for the server to say", function()
    local probe, buyer = product(), customer("b")
    agree(probe, { breaks = { { price = "9.00" } } })
    expect.fails(when.create("sales.order", { customer = buyer, lines = { { product = probe } } }),
        "invalid", "lines[0].quantity")
    expect.fails(when.create("sales.order", { lines = { { product = probe, quantity = 1 } } }),
        "invalid", "customer")
    expect.fails(when.create("custom.price_agreement", {}), "invalid")
end)

story("an agreement is with one customer or a segment", function()
    local probe, buyer = product(), customer("b")
    local outcome = when.create("custom.price_agreement", { product = probe, customer = buyer,
        segment = "a", breaks = { { price = "1.00" } } })
    expect.denied(outcome, "custom.price_agreement_terms", "segment")
    outcome = when.create("custom.price_agreement", { product = probe, starts = "2026-02-01",
        ends = "2026-01-31", breaks = { { price = "1.00" } } })
    expect.denied(outcome, "custom.price_agreement_terms", "ends")
end)
