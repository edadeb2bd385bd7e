-- A limit of 1000.00, and what is owed comes from the books.

local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") and kontor.enabled("finance") then
            run()
        end
    end)
end

local function customer(limit)
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    return given.record("customers.customer", { party = party, credit_limit = limit }), party
end

local function order(of, price)
    return given.record("sales.order", { customer = of, lines = {
        { text = "Steel beam", quantity = 1, price = price, tax_rate = 0 } } })
end

local function confirm(id)
    given.user("probe.seller", { "sales.user" })
    return when.call("sales.order.confirm", { id = id })
end

local function owes(party, amount)
    local invoice = given.record("finance.invoice", { party = party, lines = {
        { text = "Earlier", quantity = 1, price = amount, tax_rate = 0 } } })
    kontor.call("finance.invoice.post", { id = invoice })
end

story("up to the limit is fine, to the cent", function()
    expect.ok(confirm(order(customer("1000.00"), "1000.00")))
end)

story("a cent above it is refused, and says why", function()
    local outcome = confirm(order(customer("1000.00"), "1000.01"))
    expect.denied(outcome, "sales.credit_limit", "total")
    expect.equal(outcome.message, "the credit limit of Quellmalz Prüfstand is 1000.00: 0.00 open "
        .. "and 1000.01 of this order exceed it")
end)

story("what is owed counts", function()
    local id, party = customer("1000.00")
    owes(party, "600.00")
    expect.ok(confirm(order(id, "400.00")))
    expect.denied(confirm(order(id, "400.01")), "sales.credit_limit", "total")
end)

story("without a limit anything goes", function()
    expect.ok(confirm(order(customer(nil), "999999.00")))
end)

story("a limit of zero allows nothing", function()
    expect.denied(confirm(order(customer("0"), "0.01")), "sales.credit_limit")
end)
