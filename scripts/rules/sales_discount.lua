-- A discount above the limit needs the word of a sales manager: who is one confirms the order
-- straight away, everybody else asks for approval (sales.order.approve) first.
-- 折扣超过上限须由销售经理审批。

rule{
    on = "sales.order.before_confirm",
    name = "sales.discount_approval",
    check = function(order)
        local limit = kontor.decimal(kontor.setting("sales.discount_limit", "10"))
        if order.discount_max > limit and not order.approved_by
            and not kontor.has_role("sales.manager") then
            local discount = tostring(order.discount_max)
            kontor.deny("a discount of " .. discount
                .. " % needs the approval of a sales manager", {
                field = "discount_max",
                message_zh = "折扣 " .. discount .. "% 须由销售经理审批",
            })
        end
    end,
}
