local kept
local function try(f, ...)
    local ok, why = pcall(f, ...)
    return ok, tostring(why)
end
rule{
    on = { "sales.order.before_save", "sales.order.after_save", "sales.order.before_delete" },
    name = "caught",
    check = function(order)
        try(function() return order.nonsense end)
        try(function() order.total = 5 end)
        try(function() return kept.number end)
        try(error, setmetatable({}, { __tostring = function() return 7 end }))
        xpcall(function() error({ 1 }) end, function(e) return e[1] end)
        local t = setmetatable({}, { __index = function(_, k) return k .. "x" end })
        kept = order
        try(kontor.find, "sales.order", "number", t.key)
        try(kontor.get, "sales.order", 17)
    end,
}
