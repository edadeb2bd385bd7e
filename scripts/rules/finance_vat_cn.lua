-- Chinese value added tax: the rate of each line by the category of its product. Active when the
-- setting company.vat_taxpayer says "general" or "small_scale"; other countries are not concerned.
-- 增值税税率：按产品类别确定每行税率；设置 company.vat_taxpayer 后生效。
--
-- General taxpayers: 13, 9, 6 and 0 % by article 10 of the Value-Added Tax Law of 2024, in force
-- since 2026-01-01 (中华人民共和国增值税法第十条); the same since 2019-04-01 by announcement 39/2019 of
-- the Ministry of Finance, the Taxation Administration and the Customs. Small-scale taxpayers: 3 %
-- by article 11, 1 % until 2027-12-31 by announcement 19/2023 of the Ministry of Finance and the
-- Taxation Administration (财政部 税务总局公告2023年第19号). Exports are at 0 %.

local general = { standard = "13", reduced = "9", service = "6", zero = "0" }
local small_scale = { { until_day = "2027-12-31", rate = "1" }, { rate = "3" } }
local home = "CN"

field{
    entity = "products.category",
    name = "x_vat",
    type = "enum",
    label = { "VAT class", "增值税类别" },
    help = { "Empty: that of the category above; none there: no rule",
             "留空则沿用上级类别；均未设置则不适用" },
    choices = {
        { name = "standard", label = { "13 %: goods, processing, leasing of movables",
                                       "13%：销售货物、加工修理修配、有形动产租赁" } },
        { name = "reduced", label = { "9 %: agriculture, transport, building, real estate, books",
                                      "9%：农产品、交通运输、建筑、不动产、图书等" } },
        { name = "service", label = { "6 %: services, finance, intangibles",
                                      "6%：现代服务、金融、无形资产等" } },
        { name = "zero", label = { "0 %: exports", "0%：出口货物与跨境服务" } },
    },
}

role{
    name = "custom.vat",
    label = { "VAT rates (for the rule)", "增值税（规则专用）" },
    grants = { "products.product.read", "products.category.read", "parties.party.read" },
}

local function class_of(product)
    local category = kontor.get("products.product", product).category
    while category do
        local record = kontor.get("products.category", category)
        if record.x_vat then
            return record.x_vat
        end
        category = record.parent
    end
end

local function rate_of(class, taxpayer, date)
    if taxpayer == "general" then
        return kontor.decimal(general[class])
    elseif class == "zero" then
        return kontor.decimal(0)
    end
    for _, step in ipairs(small_scale) do
        if not step.until_day or date <= kontor.date(step.until_day) then
            return kontor.decimal(step.rate)
        end
    end
end

-- The line as it was, when it was for the same product.
local function before(line, old)
    for _, one in ipairs(old and old.lines or {}) do
        if one.id == line.id and one.product == line.product then
            return one
        end
    end
end

local function check_rates(record, step)
    local taxpayer = kontor.setting("company.vat_taxpayer")
    local applies = taxpayer == "general" or taxpayer == "small_scale"
    local open = record.state == "draft" or record.state == "quoted"
    if not applies or not open or not kontor.enabled("products") then
        return
    end
    local country = record.party and kontor.get("parties.party", record.party).country
    for i, line in ipairs(record.lines) do
        local class = line.product and class_of(line.product)
        if class and country and country ~= home then
            class = "zero"
        end
        local rate = class and record.date and rate_of(class, taxpayer, record.date)
        local was = before(line, step.old)
        if rate and line.tax_rate ~= rate and was and was.tax_rate == rate then
            kontor.deny(kontor.t("the VAT rate of this product is %s %%, not %s %%",
                "该产品的增值税税率为 %s%%，不是 %s%%", rate, line.tax_rate or "0"),
                { field = "lines[" .. i - 1 .. "].tax_rate" })
        elseif rate then
            line.tax_rate = rate
        end
    end
end

rule{
    on = "sales.order.before_save",
    name = "finance.vat_cn",
    priority = 40,
    as = "custom.vat",
    check = check_rates,
}

rule{
    on = "finance.invoice.before_save",
    name = "finance.vat_cn_invoice",
    priority = 40,
    as = "custom.vat",
    check = function(invoice, step)
        if not invoice.source_id then -- one made from an order keeps the order's rates
            check_rates(invoice, step)
        end
    end,
}
