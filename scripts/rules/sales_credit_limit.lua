-- What a customer owes and what this order adds may not exceed the credit limit.
-- A customer without a limit may order any amount; without finance nobody knows what is owed.
-- 客户应收余额加本订单金额不得超过信用额度。

-- Who sells need not see the books: the rule looks for them, and sees no more than it must.
role{
    name = "custom.credit_check",
    label = { "Credit check (for the rule)", "信用检查（规则专用）" },
    grants = { "customers.customer.read", "finance.open_receivables.read" },
}

rule{
    on = "sales.order.before_confirm",
    name = "sales.credit_limit",
    as = "custom.credit_check",
    check = function(order)
        local customer = kontor.get("customers.customer", order.customer)
        if not kontor.enabled("finance") or not customer.credit_limit then
            return
        end
        local owed = kontor.money(kontor.total("finance.open_receivables", customer.party).open)
        if owed + order.total > customer.credit_limit then
            kontor.deny(kontor.t(
                "the credit limit of %s is %s: %s open and %s of this order exceed it",
                "%s 的信用额度为 %s，应收 %s 加本订单 %s 已超出",
                customer.name, customer.credit_limit, owed, order.total), { field = "total" })
        end
    end,
}
