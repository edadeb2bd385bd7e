-- How promising a lead is, and who looks after it.
-- 线索评分与自动分配。

-- 0 to 100: where it comes from, what it may be worth, and whether somebody can be reached.
local points_of_source = { referral = 30, website = 15, fair = 20, advertisement = 5 }
local points_of_value = { { 50000, 30 }, { 10000, 20 }, { 1000, 10 } }

local function score(lead)
    local points = points_of_source[(lead.source or ""):lower()] or 0
    for _, step in ipairs(points_of_value) do
        if lead.expected_value and lead.expected_value >= step[1] then
            points = points + step[2]
            break
        end
    end
    local reachable = (lead.email and 10 or 0) + (lead.phone and 10 or 0)
    return points + reachable + (lead.customer and 20 or 0)
end

field{
    entity = "sales.opportunity",
    name = "x_score",
    type = "int",
    indexed = true,
    label = { "Score", "评分" },
    help = { "0 to 100: how promising it is", "0 至 100，越高越有希望" },
    compute = score,
}

-- Who looks after which region; a login name that is not known leaves the lead to people.
local salesperson_of = {
    north = "anna",
    east = "anna",
    west = "max",
    south = "max",
}

-- Setting sales.lead_team: "anna,max". Empty: a lead goes by its region alone.
local function team()
    local users = {}
    for login in (kontor.setting("sales.lead_team") or ""):gmatch("[^,%s]+") do
        local user = kontor.find("system.user", "name", login)
        if user and user.active then
            users[#users + 1] = user.id
        end
    end
    return users
end

local function after(users, last)
    for i, user in ipairs(users) do
        if user == last then
            return users[i % #users + 1]
        end
    end
    return users[1]
end

local function next_in_turn(users)
    local latest = kontor.search("sales.opportunity", { { "salesperson", "in", users } },
        { order = "-id", limit = 1 })
    return after(users, latest[1] and latest[1].salesperson)
end

local function least_busy(users)
    local best, fewest
    for _, user in ipairs(users) do
        local open = kontor.count("sales.opportunity", { { "salesperson", "=", user },
            { "state", "in", { "lead", "qualified", "quoted" } } })
        if not fewest or open < fewest then
            best, fewest = user, open
        end
    end
    return best
end

role{
    name = "custom.lead_assignment",
    label = { "Lead assignment (for the rule)", "线索分配（规则专用）" },
    grants = { "sales.opportunity.read", "system.user.read" },
}

-- Setting sales.lead_assignment: "round_robin" or "least_busy".
rule{
    on = "sales.opportunity.before_create",
    name = "sales.lead_assignment",
    as = "custom.lead_assignment",
    check = function(lead)
        if lead.salesperson then
            return
        end
        local login = salesperson_of[lead.region or ""]
        local user = login and kontor.find("system.user", "name", login)
        if user then
            lead.salesperson = user.id
            return
        end
        local users = team()
        if #users > 0 then
            local busy = kontor.setting("sales.lead_assignment") == "least_busy"
            lead.salesperson = busy and least_busy(users) or next_in_turn(users)
        end
    end,
}
