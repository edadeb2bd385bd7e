-- Commission: what a salesperson earns by an order, when its invoice is posted or when it is paid,
-- by salesperson and product category; taken back when the invoice is cancelled or reopened.
-- Without rates nobody earns any.
-- 销售提成：按销售员与产品类别计提，作废或撤销收款时冲回。

entity{
    name = "custom.commission_rate",
    label = { "Commission rate", "提成比例" },
    fields = {
        { name = "salesperson", type = "ref", to = "system.user", label = { "Salesperson", "销售员" },
          help = { "Empty: everybody", "留空为所有人" } },
        { name = "category", type = "ref", to = "products.category",
          label = { "Category", "产品类别" }, help = { "Empty: everything", "留空为所有产品" } },
        { name = "rate", type = "decimal", digits = 2, nonnegative = true, required = true,
          label = { "Rate %", "比例 %" } },
    },
    indexes = { { fields = { "salesperson", "category" }, unique = true } },
}

entity{
    name = "custom.commission",
    label = { "Commission", "提成" },
    append_only = true,
    fields = {
        { name = "invoice", type = "ref", to = "finance.invoice", required = true,
          label = { "Invoice", "发票" } },
        { name = "salesperson", type = "ref", to = "system.user", required = true,
          label = { "Salesperson", "销售员" } },
        { name = "date", type = "date", required = true, initial = "today", indexed = true,
          label = { "Date", "日期" } },
        { name = "base", type = "money", required = true, label = { "Net", "计提基数" } },
        { name = "amount", type = "money", required = true, label = { "Commission", "提成金额" } },
        { name = "reversal", type = "bool", label = { "Taken back", "冲回" } },
    },
}

total{
    name = "custom.commissions",
    label = { "Commissions by month", "每月提成" },
    entity = "custom.commission",
    by = { "salesperson", "date:month" },
    sum = { "base", "amount" },
}

role{
    name = "custom.commission_clerk",
    label = { "Commissions (for the rules)", "提成（规则专用）" },
    grants = { "custom.commission.*", "custom.commission_rate.read", "sales.order.read",
               "products.product.read" },
}

-- The closest rate: the person's for the category, the person's, the category's, everybody's.
local function rate_for(rates, salesperson, category)
    local best, closest = nil, -1
    for _, rate in ipairs(rates) do
        local mine = not rate.salesperson or rate.salesperson == salesperson
        local fits = not rate.category or rate.category == category
        local closeness = (rate.salesperson and 2 or 0) + (rate.category and 1 or 0)
        if mine and fits and closeness > closest then
            best, closest = rate.rate, closeness
        end
    end
    return best
end

local function category_of(line)
    if not line.product or not kontor.enabled("products") then
        return nil
    end
    return kontor.get("products.product", line.product).category
end

-- What was earned by an invoice and not taken back; nil when there is nothing.
local function booked(invoice)
    local earned
    for _, one in ipairs(kontor.search("custom.commission", { { "invoice", "=", invoice } },
        { order = "id" })) do
        earned = not one.reversal and one or nil
    end
    return earned
end

local function salesperson_of(invoice)
    if invoice.source_entity ~= "sales.order" or not kontor.enabled("sales") then
        return nil
    end
    return kontor.get("sales.order", invoice.source_id).salesperson
end

local function earn(invoice)
    local salesperson = salesperson_of(invoice)
    local rates = kontor.search("custom.commission_rate", {})
    if not salesperson or #rates == 0 or booked(invoice.id) then
        return
    end
    local base, amount = kontor.decimal(0), kontor.decimal(0)
    for _, line in ipairs(invoice.lines) do
        local rate = rate_for(rates, salesperson, category_of(line))
        if rate then
            base = base + line.net
            amount = amount + kontor.money(line.net * rate / 100)
        end
    end
    if not amount:is_zero() then
        kontor.create("custom.commission", { invoice = invoice.id, salesperson = salesperson,
            base = base, amount = amount })
    end
end

local function take_back(invoice)
    local earned = booked(invoice.id)
    if earned then
        kontor.create("custom.commission", { invoice = invoice.id, reversal = true,
            salesperson = earned.salesperson, base = -earned.base, amount = -earned.amount })
    end
end

-- Setting sales.commission_on: "payment" or, as without it, "invoice".
handler{
    on = { "finance.invoice.posted", "finance.invoice.paid", "finance.invoice.reopened",
           "finance.invoice.cancelled" },
    name = "custom.commission",
    as = "custom.commission_clerk",
    run = function(event)
        local by_payment = kontor.setting("sales.commission_on") == "payment"
        local earned = by_payment and "finance.invoice.paid" or "finance.invoice.posted"
        local lost = event.topic == "finance.invoice.cancelled"
            or (by_payment and event.topic == "finance.invoice.reopened")
        if event.topic == earned then
            earn(event.record)
        elseif lost then
            take_back(event.record)
        end
    end,
}
