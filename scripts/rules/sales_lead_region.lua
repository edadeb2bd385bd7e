-- Who looks after which region. A new lead without a salesperson goes to the one named here;
-- a region or login name that is not known leaves it for people to assign.
-- 按区域把新商机分配给销售员。

local salesperson_of = {
    north = "anna",
    east = "anna",
    west = "max",
    south = "max",
}

rule{
    on = "sales.opportunity.before_create",
    name = "sales.lead_region",
    as = "system.admin", -- who sells need not see the users
    check = function(lead)
        local login = salesperson_of[lead.region or ""]
        if lead.salesperson or not login then
            return
        end
        local user = kontor.find("system.user", "name", login)
        if user then
            lead.salesperson = user.id
        end
    end,
}
