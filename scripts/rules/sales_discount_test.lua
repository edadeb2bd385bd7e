-- The limits are settings: 10 % and, where there is a second band, 25 %.

local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") then
            given.setting("sales.discount_limit", "10")
            run()
        end
    end)
end

local function order(discount)
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand" })
    local customer = given.record("customers.customer", { party = party })
    return given.record("sales.order", { customer = customer, lines = {
        { text = "Steel beam", quantity = 1, price = "100.00", tax_rate = 0,
          discount = discount } } })
end

local function confirm(id)
    return when.call("sales.order.confirm", { id = id })
end

story("up to the limit a salesperson decides", function()
    local id = order("10")
    given.user("probe.seller", { "sales.user" })
    expect.ok(confirm(id))
    expect.record("sales.order", id, { state = "confirmed" })
end)

story("above it a manager has to", function()
    local id = order("10.0001")
    given.user("probe.seller", { "sales.user" })
    expect.denied(confirm(id), "sales.discount_approval", "discount_max")
    given.user("probe.manager", { "sales.manager" })
    expect.ok(confirm(id))
end)

story("a manager's approval of the order is enough", function()
    local id = order("50")
    given.user("probe.manager", { "sales.manager" })
    expect.ok(when.call("sales.order.approve", { id = id }))
    given.user("probe.seller", { "sales.user" })
    expect.ok(confirm(id))
end)

story("the limit is a setting", function()
    given.setting("sales.discount_limit", "50")
    local id = order("50")
    given.user("probe.seller", { "sales.user" })
    expect.ok(confirm(id))
end)

story("a large discount needs finance, too", function()
    given.setting("sales.discount_large", "25")
    local id = order("30")
    given.user("probe.manager", { "sales.manager" })
    expect.denied(confirm(id), "sales.discount_approval", "discount_max")
    given.user("probe.both", { "sales.manager", "finance.manager" })
    expect.ok(confirm(id))
end)

story("with the module approvals it is asked for with one call", function()
    if not kontor.enabled("approvals") then
        return
    end
    local id = order("15")
    given.user("probe.seller", { "sales.user", "approvals.user" })
    local refusal = confirm(id)
    expect.equal(refusal.details.code, "approval_needed")
    expect.equal(refusal.message, "a discount of 15 % needs the approval of sales.manager: "
        .. "ask for it with an approvals.request")
    local request = when.call(refusal.details.ask.method, refusal.details.ask.params)
    expect.ok(request)
    expect.equal(confirm(id).details.code, "approval_pending")
    given.user("probe.manager", { "sales.manager", "approvals.user" })
    expect.ok(when.call("approvals.request.approve", { id = request.answer.id }))
    given.user("probe.seller")
    expect.ok(confirm(id))
    expect.record("approvals.request", request.answer.id, { state = "used" })
end)
