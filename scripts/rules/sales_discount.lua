-- A discount above the limit needs the word of a sales manager, a very large one also that of the
-- finance manager. With the module approvals, whoever confirms without it can ask with one click;
-- without, a manager approves the order (sales.order.approve) or confirms it himself.
-- 折扣超过上限须由销售经理审批，特大折扣另须财务经理审批。

-- Settings: sales.discount_limit (10 %) and sales.discount_large (none: no second band).
local function bands_for(order)
    local bands = {}
    local large = kontor.setting("sales.discount_large")
    if not order.approved_by then
        bands[1] = { above = kontor.setting("sales.discount_limit", "10"), role = "sales.manager",
                     hours = 24, escalate = "finance.manager" }
    end
    if large then
        bands[#bands + 1] = { above = large, role = "finance.manager" }
    end
    return bands
end

local function check_roles(order, bands)
    for _, band in ipairs(bands) do
        if order.discount_max > kontor.decimal(band.above) and not kontor.has_role(band.role) then
            kontor.deny(kontor.t(
                "a discount of %1 % needs the approval of a manager (role %2)",
                "折扣 %1% 须由经理（角色 %2）审批", order.discount_max, band.role),
                { field = "discount_max" })
        end
    end
end

rule{
    on = "sales.order.before_confirm",
    name = "sales.discount_approval",
    check = function(order)
        local bands = bands_for(order)
        if not kontor.enabled("approvals") then
            check_roles(order, bands)
        elseif #bands > 0 then
            kontor.call("approvals.gate", {
                entity = "sales.order", id = order.id, action = "confirm",
                policy = "sales.discount_approval", amount = order.discount_max, bands = bands,
                field = "discount_max", reason = "a discount of " .. tostring(order.discount_max)
                    .. " %", reason_zh = "折扣 " .. tostring(order.discount_max) .. "%",
            })
        end
    end,
}
