-- The two examples that the State Taxation Administration gives for the cumulative method, and the
-- borders of the brackets.

local function employee()
    return given.record("parties.party", { kind = "person", name = "李小明" })
end

local function slip(of, month, values)
    values.employee, values.month = of, month
    given.user("probe.payroll", { "custom.payroll" })
    local outcome = when.create("custom.pay_slip", values)
    expect.ok(outcome)
    expect.ok(when.call("custom.pay_slip.post", { id = outcome.id }))
    return outcome.answer
end

-- Insurance of 15 % in all (8 + 2 + 0.5 + 4.5) on that base.
local function pay(gross, base, special)
    return { gross = gross, contribution_base = base, housing_rate = "4.5",
             special_deductions = special }
end

local function story(name, run)
    test(name, function()
        if kontor.enabled("parties") then
            run()
        end
    end)
end

story("10 000 a month: 75.00 in each of the first months", function()
    -- (10000 - 5000 - 1500 - 1000) * 3 % = 75; (20000 - 10000 - 3000 - 2000) * 3 % - 75 = 75
    local person = employee()
    for _, month in ipairs({ "2026-01-31", "2026-02-28", "2026-03-31" }) do
        local one = slip(person, month, pay("10000", "10000", "1000"))
        expect.equal(one.tax, "75.00")
        expect.equal(one.net, "8425.00")
    end
end)

story("30 000 a month: 555.00, 625.00, 1850.00", function()
    -- 18500 * 3 % = 555; 37000 * 10 % - 2520 - 555 = 625; 55500 * 10 % - 2520 - 1180 = 1850
    local person = employee()
    expect.equal(slip(person, "2026-01-31", pay("30000", "30000", "2000")).tax, "555.00")
    expect.equal(slip(person, "2026-02-28", pay("30000", "30000", "2000")).tax, "625.00")
    local march = slip(person, "2026-03-31", pay("30000", "30000", "2000"))
    expect.equal(march.tax, "1850.00")
    expect.equal(march.taxable, "55500.00")
    expect.equal(march.pension, "2400.00")
    expect.equal(march.housing, "1350.00")
end)

story("at and above the end of each bracket", function()
    -- Gross is what is taxable and the free 5000: no insurance, no deductions.
    local tax_of = {
        { "41000", "1080.00" }, { "41001", "1080.10" },        -- 36000: 3 %, then 10 % - 2520
        { "149000", "11880.00" }, { "149001", "11880.20" },    -- 144000: then 20 % - 16920
        { "305000", "43080.00" }, { "305001", "43080.25" },    -- 300000: then 25 % - 31920
        { "425000", "73080.00" }, { "425001", "73080.30" },    -- 420000: then 30 % - 52920
        { "665000", "145080.00" }, { "665001", "145080.35" },  -- 660000: then 35 % - 85920
        { "965000", "250080.00" }, { "965001", "250080.45" },  -- 960000: then 45 % - 181920
    }
    for _, one in ipairs(tax_of) do
        expect.equal(slip(employee(), "2026-01-31", { gross = one[1] }).tax, one[2])
    end
end)

story("up to 5000 nothing is withheld, and never less than nothing", function()
    local person = employee()
    expect.equal(slip(person, "2026-01-31", { gross = "5000" }).tax, "0.00")
    expect.equal(slip(person, "2026-02-28", { gross = "6000" }).tax, "30.00")
    -- The year's tax falls below what was withheld: that is settled with the declaration.
    local march = slip(person, "2026-03-31", { gross = "0" })
    expect.equal(march.tax, "0.00")
    expect.equal(march.net, "0.00")
end)

story("a month without a slip is free, too", function()
    local person = employee()
    slip(person, "2026-01-31", { gross = "30000" })
    -- 60000 - 3 * 5000 = 45000; 45000 * 10 % - 2520 - 750 = 1230
    local march = slip(person, "2026-03-31", { gross = "30000" })
    expect.equal(march.taxable, "45000.00")
    expect.equal(march.tax, "1230.00")
end)

story("who begins in July has the months from July", function()
    local person = employee()
    expect.equal(slip(person, "2026-07-31", { gross = "30000" }).taxable, "25000.00")
    -- 60000 - 3 * 5000
    expect.equal(slip(person, "2026-09-30", { gross = "30000" }).taxable, "45000.00")
end)

story("the first slip may come later than the employee, also than the year", function()
    local person = employee()
    local since_july = { gross = "30000", employed_since = "2026-07-20" }
    -- 30000 - 3 * 5000, then 60000 - 4 * 5000: the next slip knows it.
    expect.equal(slip(person, "2026-09-30", since_july).taxable, "15000.00")
    expect.equal(slip(person, "2026-10-31", { gross = "30000" }).taxable, "40000.00")
    -- The next year all months count: 30000 - 2 * 5000.
    expect.equal(slip(person, "2027-02-28", { gross = "30000",
        employed_since = "2026-07-20" }).taxable, "20000.00")
    expect.denied(when.create("custom.pay_slip", { employee = employee(), month = "2026-06-30",
        gross = "30000", employed_since = "2026-07-01" }), "custom.pay_slip", "employed_since")
end)

story("a new year begins anew", function()
    local person = employee()
    slip(person, "2026-12-31", { gross = "41000" })
    expect.equal(slip(person, "2027-01-31", { gross = "41000" }).tax, "1080.00")
end)

story("month after month: the slip before is posted first, and one a month", function()
    local person = employee()
    given.user("probe.payroll", { "custom.payroll" })
    local first = when.create("custom.pay_slip", { employee = person, month = "2026-01-15",
        gross = "6000" })
    expect.ok(first)
    expect.denied(when.create("custom.pay_slip", { employee = person, month = "2026-02-15",
        gross = "6000" }), "custom.pay_slip", "month")
    expect.fails(when.create("custom.pay_slip", { employee = person, month = "2026-01-31",
        gross = "6000" }), "conflict")
end)

story("what is missing is for the server to say, or nothing", function()
    given.user("probe.payroll", { "custom.payroll" })
    expect.fails(when.create("custom.pay_slip", { month = "2026-01-01", gross = "1" }), "invalid",
        "employee")
    expect.fails(when.create("custom.pay_slip", { employee = employee(), month = "2026-01-01" }),
        "invalid", "gross")
    expect.equal(slip(employee(), "2026-01-01", { gross = "6000", housing_rate = kontor.none,
        special_deductions = kontor.none }).tax, "30.00")
end)

story("none comes in between", function()
    local person = employee()
    slip(person, "2026-02-28", { gross = "6000" })
    expect.denied(when.create("custom.pay_slip", { employee = person, month = "2026-01-31",
        gross = "6000" }), "custom.pay_slip", "month")
    slip(person, "2025-12-31", { gross = "6000" })
end)
