-- What should be bought: each morning stock is compared with its reorder point, and what is missing
-- is proposed, once. Without reorder points nothing happens.
-- 采购建议：库存加在途低于再订货点时自动生成。

local page = 1000

entity{
    name = "custom.reorder_point",
    label = { "Reorder point", "再订货点" },
    fields = {
        { name = "product", type = "ref", to = "products.product", required = true, unique = true,
          label = { "Product", "产品" } },
        { name = "minimum", type = "quantity", required = true, nonnegative = true,
          label = { "Reorder point", "再订货点" } },
        { name = "target", type = "quantity", required = true, positive = true,
          label = { "Buy up to", "补货目标" } },
        { name = "lot", type = "quantity", positive = true, label = { "Lot", "采购批量" },
          help = { "Bought in multiples of this", "按此数量的整数倍采购" } },
        { name = "supplier", type = "ref", to = "parties.party", label = { "Supplier", "供应商" } },
    },
}

entity{
    name = "custom.purchase_proposal",
    label = { "Purchase proposal", "采购建议" },
    title = "number",
    fields = {
        { name = "number", type = "text", unique = true, readonly = true, sequence = "PP{year}-{5}",
          label = { "Number", "编号" } },
        { name = "product", type = "ref", to = "products.product", required = true,
          label = { "Product", "产品" } },
        { name = "supplier", type = "ref", to = "parties.party", label = { "Supplier", "供应商" } },
        { name = "quantity", type = "quantity", required = true, positive = true,
          label = { "Quantity", "数量" } },
        { name = "reason", type = "text", label = { "Reason", "原因" } },
    },
    states = {
        { name = "proposed", label = { "Proposed", "建议" } },
        { name = "ordered", label = { "Ordered", "已下单" }, locked = true },
        { name = "received", label = { "Received", "已到货" }, locked = true },
        { name = "dropped", label = { "Dropped", "已放弃" }, locked = true },
    },
    transitions = {
        { verb = "order", from = "proposed", to = "ordered", event = "ordered",
          label = { "Order", "下单" } },
        { verb = "receive", from = "ordered", to = "received", event = "received",
          label = { "Receive", "到货" } },
        { verb = "drop", from = "proposed", to = "dropped", event = "dropped",
          label = { "Drop", "放弃" } },
        { verb = "drop", from = "ordered", to = "dropped", event = "dropped",
          label = { "Drop", "放弃" } },
    },
}

-- What is on its way: proposed or ordered.
total{
    name = "custom.on_order",
    label = { "On order", "在途" },
    entity = "custom.purchase_proposal",
    by = { "product" },
    sum = { "quantity" },
    when = "state",
    is = { "proposed", "ordered" },
}

role{
    name = "custom.planner",
    label = { "Reorder planning (for the rules)", "补货计划（规则专用）" },
    grants = { "custom.reorder_point.read", "custom.purchase_proposal.*", "custom.on_order.read",
               "inventory.valuation.read", "inventory.reserved.read",
               "inventory.reservation.read" },
}

-- Promised to orders: what is reserved for them, and what they wait for.
local function promised(product)
    local sum = kontor.total("inventory.reserved", product).quantity
    for _, waiting in ipairs(kontor.search("inventory.reservation", { { "waiting", "=", true },
        { "product", "=", product } })) do
        sum = sum + waiting.missing
    end
    return sum
end

local function in_lots(quantity, lot)
    return lot and (quantity / lot):round(0, "ceiling") * lot or quantity
end

local function plan(point)
    local on_hand = kontor.total("inventory.valuation", point.product).quantity
    local on_order = kontor.total("custom.on_order", point.product).quantity
    local available = on_hand + on_order - promised(point.product)
    if available >= point.minimum or available >= point.target then
        return
    end
    kontor.create("custom.purchase_proposal", {
        product = point.product,
        supplier = point.supplier,
        quantity = in_lots(point.target - available, point.lot),
        reason = "available " .. tostring(available) .. ", reorder point "
            .. tostring(point.minimum),
    })
end

schedule{
    name = "custom.reorder",
    daily = "05:00",
    as = "custom.planner",
    run = function()
        if not kontor.enabled("inventory") then
            return
        end
        local last = 0
        repeat
            local points = kontor.search("custom.reorder_point", { { "id", ">", last } },
                { order = "id", limit = page })
            for _, point in ipairs(points) do
                plan(point)
                last = point.id
            end
        until #points < page
    end,
}
