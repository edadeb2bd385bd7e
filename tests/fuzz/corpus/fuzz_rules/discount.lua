rule{
    on = "sales.order.before_confirm",
    name = "sales.discount_approval",
    check = function(order, step)
        local limit = kontor.decimal(kontor.setting("sales.discount_limit", "10"))
        if order.discount_max > limit and not order.approved_by and not kontor.has_role("x") then
            kontor.deny("a discount of " .. tostring(order.discount_max) .. " % needs approval", {
                field = "discount_max",
                message_zh = "折扣 " .. tostring(order.discount_max) .. "%",
                details = { reason = step.params.reason, list = { 1, 2, order.total } },
            })
        end
    end,
}
