local function story(name, run)
    test(name, function()
        if kontor.enabled("sales") and kontor.enabled("products") then
            given.clock("2026-11-24T09:00:00Z")
            given.setting("company.vat_taxpayer", "general")
            run()
        end
    end)
end

local function product(class, parent)
    local category = given.record("products.category", { code = "PROBE-" .. (class or "none"),
        name = "Probe", x_vat = class, parent = parent })
    return given.record("products.product", { code = "PROBE-" .. (class or "none"), name = "Probe",
        price = "100.00", tax_rate = "19", category = category }), category
end

local function customer(country)
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand",
        country = country })
    return given.record("customers.customer", { party = party, x_duplicate_ok = true })
end

local function order(of, country, date)
    local outcome = when.create("sales.order", { customer = customer(country), date = date,
        lines = { { product = of, quantity = 1 } } })
    expect.ok(outcome)
    return outcome.answer
end

story("13, 9, 6 and 0 % by category", function()
    for class, tax in pairs({ standard = "13.00", reduced = "9.00", service = "6.00",
                              zero = "0.00" }) do
        expect.equal(order((product(class)), "CN").tax, tax)
    end
end)

story("small-scale taxpayers: 1 % until the end of 2027, then 3 %", function()
    given.setting("company.vat_taxpayer", "small_scale")
    local probe = product("standard")
    expect.equal(order(probe, "CN", "2027-12-31").tax, "1.00")
    expect.equal(order(probe, "CN", "2028-01-01").tax, "3.00")
end)

story("exports are at 0 %", function()
    expect.equal(order((product("standard")), "DE").tax, "0.00")
end)

story("a category takes the class of the one above", function()
    local _, above = product("reduced")
    expect.equal(order((product(nil, above)), "CN").tax, "9.00")
end)

story("no class: the product's own rate", function()
    expect.equal(order((product(nil)), "CN").tax, "19.00")
end)

story("another rate is refused", function()
    local made = order((product("standard")), "CN")
    local outcome = when.update("sales.order", made.id, {
        lines = { { id = made.lines[1].id, tax_rate = "6" } } })
    expect.denied(outcome, "finance.vat_cn", "lines[0].tax_rate")
    expect.equal(outcome.message, "the VAT rate of this product is 13 %, not 6 %")
end)

story("an invoice by hand, too", function()
    if not kontor.enabled("finance") then
        return
    end
    local probe = product("service")
    local party = given.record("parties.party", { kind = "company", name = "Quellmalz Prüfstand",
        country = "CN" })
    local outcome = when.create("finance.invoice", { party = party, lines = {
        { product = probe, text = "Probe", quantity = 1, price = "100.00" } } })
    expect.ok(outcome)
    expect.equal(outcome.answer.tax, "6.00")
end)

story("nowhere else", function()
    given.setting("company.vat_taxpayer", "")
    expect.equal(order((product("standard")), "CN").tax, "19.00")
end)
