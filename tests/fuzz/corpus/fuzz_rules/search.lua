local text = ("key = value; "):rep(9)
rule{
    on = "sales.order.before_create",
    name = "search",
    check = function(order)
        for k, v in text:gmatch("(%w+)%s*=%s*(%w+)") do
            order.number = k:sub(1, 2) .. v:upper()
        end
        local s, n = text:gsub("[^%a]+", { ["; "] = "," })
        s = s:gsub("()(.)(.-)%f[%A]", function(p, a, b) return b .. a .. p end)
        local from, to = s:find("%b()x-[%w_]+(.?)%1", -20)
        order.copies = (from or n) + (to or 1)
        table.sort({ 3, 1, 2 }, function(a, b) return a > b end)
        kontor.search("sales.order", {
            { "number", "=", s }, { "id", "in", { 1, 2 } } }, { limit = 5 })
    end,
}
