-- Pay slips with Chinese income tax, withheld cumulatively over the year, and the employee's part
-- of social insurance and housing fund.
-- 工资条：社保公积金个人部分与个人所得税累计预扣法。
--
-- Income tax: article 6 and table 1 (seven brackets, 3 to 45 %) of announcement 61/2018 of the
-- State Taxation Administration (国家税务总局公告2018年第61号, 个人所得税扣缴申报管理办法), 5000 free
-- for each month of employment in the year up to this one, also for those without a slip. Who has
-- custom.user or custom.payroll sees all slips.

-- Taxable income of the year up to, rate in percent, quick deduction.
local brackets = {
    { 36000, 3, 0 },
    { 144000, 10, 2520 },
    { 300000, 20, 16920 },
    { 420000, 25, 31920 },
    { 660000, 30, 52920 },
    { 960000, 35, 85920 },
    { false, 45, 181920 },
}
local free_per_month = 5000
-- The employee's part in percent of the contribution base: what most cities take. The housing fund
-- (5 to 12 %) and the base itself, between the city's limits, stand in each slip.
local pension, medical, unemployment = "8", "2", "0.5"

entity{
    name = "custom.pay_slip",
    label = { "Pay slip", "工资条" },
    title = "employee",
    fields = {
        { name = "employee", type = "ref", to = "parties.party", required = true, immutable = true,
          label = { "Employee", "员工" } },
        { name = "month", type = "date", required = true, immutable = true,
          label = { "Month", "月份" }, help = { "Any day of it", "当月任意一天" } },
        { name = "employed_since", type = "date", label = { "Employed since", "任职日期" },
          help = { "Empty: as in the slip before, or since the month of the year's first slip",
                   "留空则沿用上一张工资条，首张则为当月" } },
        { name = "gross", type = "money", required = true, nonnegative = true,
          label = { "Gross", "应发工资" } },
        { name = "contribution_base", type = "money", nonnegative = true,
          label = { "Contribution base", "缴费基数" },
          help = { "Empty: nothing is withheld", "留空则不扣缴社保公积金" } },
        { name = "housing_rate", type = "decimal", digits = 2, nonnegative = true, initial = 0,
          label = { "Housing fund %", "公积金比例 %" } },
        { name = "special_deductions", type = "money", nonnegative = true, initial = 0,
          label = { "Special deductions", "专项附加扣除" },
          help = { "Children, elderly, rent, loan, study: of this month",
                   "子女教育、赡养老人、租房等，当月金额" } },
        { name = "pension", type = "money", readonly = true, label = { "Pension", "养老保险" } },
        { name = "medical", type = "money", readonly = true, label = { "Medical", "医疗保险" } },
        { name = "unemployment", type = "money", readonly = true,
          label = { "Unemployment", "失业保险" } },
        { name = "housing", type = "money", readonly = true,
          label = { "Housing fund", "住房公积金" } },
        { name = "taxable", type = "money", readonly = true,
          label = { "Taxable this year", "累计应纳税所得额" } },
        { name = "tax", type = "money", readonly = true, label = { "Income tax", "本期预扣税额" } },
        { name = "net", type = "money", readonly = true, label = { "Net", "实发工资" } },
    },
    states = {
        { name = "draft", label = { "Draft", "草稿" } },
        { name = "posted", label = { "Posted", "已过账" }, locked = true, posted = true },
    },
    transitions = {
        { verb = "post", from = "draft", to = "posted", event = "posted",
          label = { "Post", "过账" } },
    },
    indexes = { { fields = { "employee", "month" }, unique = true } },
}

role{
    name = "custom.payroll",
    label = { "Payroll", "薪酬" },
    grants = { "custom.pay_slip.*", "parties.party.read" },
}

local function percent(amount, rate)
    return kontor.money(amount * kontor.decimal(rate) / 100)
end

local function tax_of_year(taxable)
    if taxable:sign() <= 0 then
        return kontor.decimal(0)
    end
    for _, bracket in ipairs(brackets) do
        if not bracket[1] or taxable <= bracket[1] then
            return kontor.money(taxable * bracket[2] / 100) - bracket[3]
        end
    end
end

local function withheld_for_insurance(slip)
    return slip.pension + slip.medical + slip.unemployment + slip.housing
end

-- A slip counts on those before it: none may come in between.
local function check_last(slip)
    local later = kontor.search("custom.pay_slip", { { "employee", "=", slip.employee },
        { "month", ">", slip.month }, { "month", "<=", kontor.date(slip.month.year, 12, 31) } },
        { order = "month", limit = 1 })[1]
    if later then
        kontor.deny(kontor.t("there is a slip of %s already: months go one after the other",
            "已存在 %s 的工资条，须按月依次编制", later.month), { field = "month" })
    end
end

-- What an employee has earned after the slip's own deductions.
local function earned(slip)
    return slip.gross - withheld_for_insurance(slip) - (slip.special_deductions or 0)
end

-- Of the slips before this one in the same year: what was earned, the tax withheld, and since when
-- the employee is there (nil before the first).
local function of_the_year(slip)
    local income, tax, since = kontor.decimal(0), kontor.decimal(0), nil
    for _, earlier in ipairs(kontor.search("custom.pay_slip", { { "employee", "=", slip.employee },
        { "month", ">=", kontor.date(slip.month.year, 1, 1) }, { "month", "<", slip.month } },
        { order = "month" })) do
        if earlier.state ~= "posted" then
            kontor.deny(kontor.t("the slip of %s is not posted yet: post it first",
                "%s 的工资条尚未过账，请先过账", earlier.month), { field = "month" })
        end
        income = income + earned(earlier)
        tax = tax + earlier.tax
        since = earlier.employed_since or since or earlier.month
    end
    return income, tax, since
end

-- Of employment in this year, up to that of the slip.
local function months(slip)
    local first = slip.employed_since
    if first:start_of_month() > slip.month then
        kontor.deny(kontor.t("who is employed since %s has no slip of %s",
            "%s 任职的员工没有 %s 的工资条", first, slip.month), { field = "employed_since" })
    end
    return slip.month.month - (first.year == slip.month.year and first.month or 1) + 1
end

rule{
    on = { "custom.pay_slip.before_save", "custom.pay_slip.before_post" },
    name = "custom.pay_slip",
    check = function(slip)
        if not (slip.employee and slip.month and slip.gross) then
            return -- the server refuses it
        end
        local base = slip.contribution_base or kontor.decimal(0)
        slip.month = slip.month:start_of_month()
        check_last(slip)
        slip.pension = percent(base, pension)
        slip.medical = percent(base, medical)
        slip.unemployment = percent(base, unemployment)
        slip.housing = percent(base, slip.housing_rate or 0)
        local insurance = withheld_for_insurance(slip)
        local income, withheld, since = of_the_year(slip)
        slip.employed_since = slip.employed_since or since or slip.month
        slip.taxable = income + earned(slip) - free_per_month * months(slip)
        -- What was withheld too much is settled with the year's declaration, not here.
        local tax = tax_of_year(slip.taxable) - withheld
        slip.tax = tax:sign() > 0 and tax or kontor.decimal(0)
        slip.net = slip.gross - insurance - slip.tax
    end,
}
