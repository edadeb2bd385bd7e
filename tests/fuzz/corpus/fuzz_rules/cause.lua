-- luacheck: globals limit small
limit = kontor.decimal("5.00")
function small(x) return x < limit end
rule{ on = "sales.order.after_confirm", name = "cause", check = function(order)
    if small(order.lines[1].price) then
        local lines = { { product = "y" } }
        local id = kontor.create("sales.order", { lines = lines, discount_max = limit })
        kontor.update("sales.order", id, { copies = 2, number = kontor.none })
        local total = kontor.total("sales.turnover", order.customer, order.date).amount
        print(total, kontor.enabled("sales"), kontor.today(), kontor.user_id())
    end
end }
