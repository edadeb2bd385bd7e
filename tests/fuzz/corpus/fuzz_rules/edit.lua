local seen = 0
rule{
    on = { "sales.order.before_save", "sales.order.before_confirm" },
    name = "edit",
    priority = 10,
    check = function(order, step)
        seen = seen + 1
        order.discount_max = (order.discount_max + 1) * "2.5" / 3
        order.approved_by = kontor.user() .. seen
        order.copies = #order.lines
        order.urgent = not order.urgent
        order.date = "2027-01-31"
        order.tags = { "a", table.unpack({ "b", "c" }) }
        order.extra = { deep = { list = { 1, 2, 3 } }, text = order.number }
        for i, line in ipairs(order.lines) do
            line.price = line.price:round(1) - i
            line.quantity = -line.quantity:abs()
        end
        for name, value in pairs(order) do
            kontor.log(name, value, step.moment, step.old and step.old.number)
        end
    end,
}
