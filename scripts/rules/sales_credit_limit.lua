-- What a customer owes and what this order adds may not exceed the credit limit.
-- A customer without a limit may order any amount; without finance nobody knows what is owed.
-- 客户应收余额加本订单金额不得超过信用额度。

rule{
    on = "sales.order.before_confirm",
    name = "sales.credit_limit",
    as = "system.admin", -- who sells need not see the books
    check = function(order)
        local customer = kontor.get("customers.customer", order.customer)
        if not kontor.enabled("finance") or not customer.credit_limit then
            return
        end
        local owed = kontor.total("finance.open_receivables", customer.party).open:round(2)
        if owed + order.total > customer.credit_limit then
            local limit, open = tostring(customer.credit_limit), tostring(owed)
            local total = tostring(order.total)
            kontor.deny("the credit limit of " .. customer.name .. " is " .. limit .. ": " .. open
                .. " open and " .. total .. " of this order exceed it", {
                field = "total",
                message_zh = customer.name .. " 的信用额度为 " .. limit .. "，应收 " .. open
                    .. " 加本订单 " .. total .. " 已超出",
            })
        end
    end,
}
