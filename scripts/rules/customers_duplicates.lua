-- A customer who is there already under another number: the same name, phone, e-mail or tax number,
-- however it is written. Whoever is sure ticks x_duplicate_ok.
-- 重复客户提醒：名称、电话、邮箱或税号与现有客户相同时拒绝，确认无误可勾选“允许重复”。

-- "Evers Metallbau GmbH & Co. KG", "EVERS METALLBAU": what says only of which form a company is.
local forms = { gmbh = true, ag = true, kg = true, ohg = true, co = true, ltd = true, inc = true,
                llc = true, limited = true, corp = true, company = true }
local chinese_forms = { "股份有限公司", "有限责任公司", "有限公司", "公司" }

local function name_key(party)
    local name = (party.name or ""):lower()
    for _, form in ipairs(chinese_forms) do
        if #name > #form and name:sub(-#form) == form then
            name = name:sub(1, -#form - 1)
            break
        end
    end
    local words = {}
    for word in name:gmatch("[^%s%p]+") do
        words[#words + 1] = not forms[word] and word or nil
    end
    return #words > 0 and table.concat(words):sub(1, 200) or nil
end

-- The last nine digits: with or without country code and zeros.
local function phone_key(party)
    local digits = (party.phone or ""):gsub("%D", "")
    return #digits >= 7 and digits:sub(-9) or nil
end

local function email_key(party)
    return party.email and party.email:lower() or nil
end

local function compared_field(name, compute)
    field{ entity = "parties.party", name = name, type = "text", indexed = true, compute = compute,
           label = { "For comparison", "比对用" } }
end
compared_field("x_name_key", name_key)
compared_field("x_phone_key", phone_key)
compared_field("x_email_key", email_key)

field{
    entity = "customers.customer",
    name = "x_duplicate_ok",
    type = "bool",
    label = { "Not a duplicate", "允许重复" },
}

role{
    name = "custom.duplicate_check",
    label = { "Duplicate check (for the rule)", "查重（规则专用）" },
    grants = { "parties.party.read", "parties.party.sensitive", "customers.customer.read" },
}

local compared = {
    { "tax_number", "tax number", "税号" },
    { "x_email_key", "e-mail", "邮箱" },
    { "x_phone_key", "phone", "电话" },
    { "x_name_key", "name", "名称" },
}

-- Two persons may well have one name, and share the phone of their company.
local function tells(field, party)
    return party.kind == "company" or field == "tax_number" or field == "x_email_key"
end

local function other_customer(party, field)
    local same = kontor.search("parties.party", { { field, "=", party[field] },
        { "id", "!=", party.id } }, { limit = 20 })
    for _, other in ipairs(same) do
        local customer = kontor.find("customers.customer", "party", other.id)
        if customer then
            return customer
        end
    end
end

-- Setting customers.duplicates: "allow" switches the rule off.
rule{
    on = "customers.customer.before_create",
    name = "customers.duplicates",
    as = "custom.duplicate_check",
    check = function(customer)
        local allowed = kontor.setting("customers.duplicates") == "allow"
        if allowed or customer.x_duplicate_ok or not customer.party then
            return
        end
        local party = kontor.get("parties.party", customer.party)
        for _, by in ipairs(compared) do
            local other = party[by[1]] and tells(by[1], party) and other_customer(party, by[1])
            if other then
                kontor.deny(kontor.t(
                    "%s has the same %s: use customer %s, or tick x_duplicate_ok",
                    "%s 的%4相同：请使用客户 %3，或勾选“允许重复”",
                    other.name, by[2], other.number, by[3]), {
                    field = "party", code = "duplicate",
                    details = { customer = other.id, number = other.number, by = by[1] } })
            end
        end
    end,
}
