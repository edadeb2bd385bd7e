-- 5 % for everybody, 8 % for ropes, 10 % for Ann, 12 % for Ann's ropes.

local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") and kontor.enabled("finance") and kontor.enabled("products") then
            given.clock("2026-11-24T09:00:00Z")
            given.setting("finance.locked_until", "")
            given.setting("company.vat_taxpayer", "")
            given.setting("sales.commission_on", "invoice")
            given.user("probe.ann", { "sales.manager" })
            given.user("probe.bob", { "sales.manager" })
            given.server()
            for _, rate in ipairs(kontor.search("custom.commission_rate", {})) do
                kontor.delete("custom.commission_rate", rate.id)
            end
            run()
        end
    end)
end

local function id_of(login)
    return kontor.find("system.user", "name", login).id
end

local function rate(percent, login, category)
    given.record("custom.commission_rate", { rate = percent, category = category,
        salesperson = login and id_of(login) })
end

-- An order of 100.00 of ropes and 100.00 of words, invoiced; the invoice's id.
local function sell(login, ropes)
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    local customer = given.record("customers.customer", { party = party, x_duplicate_ok = true })
    local rope = given.record("products.product", { code = "PROBE-" .. party, name = "Rope",
        kind = "service", price = "100.00", category = ropes })
    local order = given.record("sales.order", { customer = customer, salesperson = id_of(login),
        lines = { { product = rope, quantity = 1, price = "100.00", tax_rate = 0 },
                  { text = "Advice", quantity = 1, price = "100.00", tax_rate = 0 } } })
    kontor.call("sales.order.confirm", { id = order })
    kontor.call("sales.order.deliver", { id = order })
    kontor.call("sales.order.invoice", { id = order })
    return kontor.search("finance.invoice", { { "source_entity", "=", "sales.order" },
        { "source_id", "=", order } })[1].id
end

local function ropes()
    return given.record("products.category", { code = "PROBE-ROPES", name = "Ropes" })
end

-- What is booked for an invoice.
local function booked(invoice)
    local sum, count = kontor.decimal(0), 0
    for _, one in ipairs(kontor.search("custom.commission", { { "invoice", "=", invoice } })) do
        sum, count = sum + one.amount, count + 1
    end
    return sum, count
end

local function pay(invoice)
    local record = kontor.get("finance.invoice", invoice)
    local payment = given.record("finance.payment", { party = record.party, amount = record.total })
    kontor.call("finance.payment.post", { id = payment })
    return payment
end

story("without rates nobody earns any", function()
    local _, count = booked(sell("probe.ann", ropes()))
    expect.equal(count, 0)
end)

story("the closest rate counts", function()
    local category = ropes()
    rate("5")
    rate("8", nil, category)
    -- Bob: 8.00 and 5.00.
    expect.equal(booked(sell("probe.bob", category)), kontor.decimal("13.00"))
    rate("10", "probe.ann")
    -- The person goes before the category: 10.00 and 10.00.
    local by_person = sell("probe.ann", category)
    expect.equal(booked(by_person), kontor.decimal("20.00"))
    kontor.call("finance.invoice.cancel", { id = by_person })
    rate("12", "probe.ann", category)
    -- Ann: 12.00 and 10.00.
    local invoice = sell("probe.ann", category)
    expect.equal(booked(invoice), kontor.decimal("22.00"))
    expect.equal(kontor.total("custom.commissions", id_of("probe.ann")).amount,
        kontor.decimal("22.00"))
end)

story("each line is rounded to the cent", function()
    rate("3.33")
    -- 3.33 and 3.33
    expect.equal(booked(sell("probe.bob", ropes())), kontor.decimal("6.66"))
end)

story("a cancelled invoice takes it back", function()
    rate("5")
    local invoice = sell("probe.bob", ropes())
    kontor.call("finance.invoice.cancel", { id = invoice })
    local sum, count = booked(invoice)
    expect.equal(sum, kontor.decimal("0"))
    expect.equal(count, 2)
end)

story("or it is earned when the customer pays, and lost when the payment bounces", function()
    given.setting("sales.commission_on", "payment")
    rate("5")
    local invoice = sell("probe.bob", ropes())
    expect.equal(booked(invoice), kontor.decimal("0"))
    local payment = pay(invoice)
    expect.equal(booked(invoice), kontor.decimal("10.00"))
    kontor.call("finance.payment.cancel", { id = payment })
    expect.equal(booked(invoice), kontor.decimal("0"))
    pay(invoice)
    local sum, count = booked(invoice)
    expect.equal(sum, kontor.decimal("10.00"))
    expect.equal(count, 3)
end)

story("an invoice without an order earns nobody anything", function()
    rate("5")
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    local invoice = given.record("finance.invoice", { party = party,
        lines = { { text = "Beam", quantity = 1, price = "100.00", tax_rate = 0 } } })
    kontor.call("finance.invoice.post", { id = invoice })
    local _, count = booked(invoice)
    expect.equal(count, 0)
end)
