-- Prices agreed with a customer, or with all customers of a segment, or meant for everybody, by
-- quantity. They go before the price lists of the products module, which apply where nothing is
-- agreed. Without agreements nothing happens.
-- 客户协议价、客户等级价与阶梯价，优先于价目表。

entity{
    name = "custom.price_agreement",
    label = { "Price agreement", "价格协议" },
    fields = {
        { name = "product", type = "ref", to = "products.product", required = true,
          label = { "Product", "产品" } },
        { name = "customer", type = "ref", to = "customers.customer",
          label = { "Customer", "客户" }, help = { "Empty: not for one alone", "留空则不限客户" } },
        { name = "segment", type = "enum", choices = { "a", "b", "c" },
          label = { "Segment", "客户等级" }, help = { "Empty: for every segment", "留空则不限等级" } },
        { name = "starts", type = "date", required = true, initial = "today",
          label = { "First day", "首日" } },
        { name = "ends", type = "date", label = { "Last day", "末日" } },
        { name = "breaks", type = "lines", required = true, label = { "Quantity breaks", "数量阶梯" },
          lines = {
              { name = "min_quantity", type = "quantity", nonnegative = true, initial = "0",
                label = { "From quantity", "起订量" } },
              { name = "price", type = "money", digits = 4, nonnegative = true, required = true,
                label = { "Price", "单价" } },
          } },
    },
}

field{
    entity = "sales.order",
    lines = "lines",
    name = "x_agreement",
    type = "ref",
    to = "custom.price_agreement",
    readonly = true,
    label = { "Agreed in", "价格协议" },
}

field{
    entity = "sales.order",
    lines = "lines",
    name = "x_own_price",
    type = "bool",
    label = { "Price of its own", "自定单价" },
    help = { "Ticked: no agreement changes this price", "勾选后价格协议不再改变此单价" },
}

role{
    name = "custom.pricing",
    label = { "Pricing (for the rule)", "定价（规则专用）" },
    grants = { "custom.price_agreement.read", "customers.customer.read" },
}

rule{
    on = "custom.price_agreement.before_save",
    name = "custom.price_agreement_terms",
    check = function(agreement)
        if agreement.customer and agreement.segment then
            kontor.deny("an agreement is with one customer or with a segment, not both", {
                field = "segment", message_zh = "协议只能针对单一客户或客户等级" })
        end
        if agreement.starts and agreement.ends and agreement.ends < agreement.starts then
            kontor.deny("the last day is before the first", {
                field = "ends", message_zh = "末日早于首日" })
        end
    end,
}

-- The closest agreement first: with the customer, with the segment, with everybody; of equals the
-- one that started last.
local function rank(agreement, customer)
    if agreement.customer then
        return agreement.customer == customer.id and 3 or nil
    elseif agreement.segment then
        return agreement.segment == customer.segment and 2 or nil
    end
    return 1
end

-- Of the breaks that the quantity reaches, the highest; nil when it reaches none.
local function price_in(agreement, quantity)
    local price, highest
    for _, step in ipairs(agreement.breaks) do
        local from = step.min_quantity or kontor.decimal(0)
        if quantity >= from and (not highest or from > highest) then
            price, highest = step.price, from
        end
    end
    return price
end

local function agreed(line, customer, date)
    local best, price, closest
    for _, agreement in ipairs(kontor.search("custom.price_agreement", {
        { "product", "=", line.product }, { "starts", "<=", date } }, { order = "-starts,-id" })) do
        local runs = not agreement.ends or agreement.ends >= date
        local rank_of = runs and rank(agreement, customer)
        local offer = rank_of and price_in(agreement, line.quantity)
        if offer and (not closest or rank_of > closest) then
            best, price, closest = agreement, offer, rank_of
        end
    end
    return best, price
end

-- Only what changed is looked at again: a price that stands, stands.
local function is_as_it_was(line, order, old)
    if not old or old.customer ~= order.customer or old.date ~= order.date then
        return false
    end
    for _, before in ipairs(old.lines) do
        if before.id == line.id then
            return before.product == line.product and before.quantity == line.quantity
        end
    end
    return false
end

rule{
    on = "sales.order.before_save",
    name = "sales.price_agreements",
    priority = 30, -- before rules that look at prices
    as = "custom.pricing",
    check = function(order, step)
        local complete = order.customer and order.date -- else the server refuses it
        if not complete or (order.state ~= "draft" and order.state ~= "quoted") then
            return
        end
        local customer = kontor.get("customers.customer", order.customer)
        for _, line in ipairs(order.lines) do
            local asks = line.product and line.quantity and not line.x_own_price
            if asks and not is_as_it_was(line, order, step.old) then
                local agreement, price = agreed(line, customer, order.date)
                if agreement then
                    line.price, line.x_agreement = price, agreement.id
                elseif line.x_agreement then
                    line.price, line.x_agreement = nil, nil -- the price list fills it again
                end
            end
        end
    end,
}
