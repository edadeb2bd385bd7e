-- Service contracts, which Kontor does not know: an entity of our own, a field on its orders, and
-- the rules that tie them together. Urgent orders are for customers with a running contract.
-- 自定义实体“服务合同”与订单字段“优先级”：加急订单仅限有生效合同的客户。

entity{
    name = "custom.service_contract",
    label = { "Service contract", "服务合同" },
    title = "number",
    fields = {
        { name = "number", type = "text", unique = true, sequence = "SC{year}-{4}",
          label = { "Number", "合同号" } },
        { name = "customer", type = "ref", to = "customers.customer", required = true,
          label = { "Customer", "客户" } },
        { name = "level", type = "enum", required = true, initial = "basic",
          label = { "Level", "级别" },
          choices = {
              { name = "basic", label = { "Basic", "基础" } },
              { name = "premium", label = { "Premium", "高级" } },
          } },
        { name = "starts", type = "date", required = true, initial = "today",
          label = { "Starts", "开始日期" } },
        { name = "ends", type = "date", indexed = true, label = { "Ends", "结束日期" } },
        { name = "fee", type = "money", readonly = true, label = { "Yearly fee", "年费" },
          help = { "The sum of its devices", "各设备之和" } },
        { name = "devices", type = "lines", label = { "Devices", "设备" },
          lines = {
              { name = "serial", type = "text", required = true, indexed = true,
                label = { "Serial number", "序列号" } },
              { name = "fee", type = "money", required = true, nonnegative = true,
                label = { "Yearly fee", "年费" } },
          } },
    },
    states = {
        { name = "draft", label = { "Draft", "草稿" } },
        { name = "running", label = { "Running", "生效" }, locked = true },
        { name = "ended", label = { "Ended", "终止" }, locked = true },
    },
    transitions = {
        { verb = "start", from = "draft", to = "running", event = "started",
          label = { "Start", "生效" } },
        { verb = "finish", from = "running", to = "ended", event = "finished",
          label = { "End", "终止" } },
    },
    indexes = { { fields = { "customer", "state" } } },
}

-- What each customer's running contracts bring in a year: kept up to date, read at once.
total{
    name = "custom.contract_fees",
    label = { "Fees of running contracts", "生效合同年费" },
    entity = "custom.service_contract",
    by = { "customer" },
    sum = { "fee" },
    when = "state",
    is = { "running" },
}

role{
    name = "custom.service_desk",
    label = { "Service desk", "服务台" },
    grants = {
        "custom.service_contract.*",
        "custom.contract_fees.read",
        "customers.customer.read",
    },
}

field{
    entity = "sales.order",
    name = "x_priority",
    type = "enum",
    choices = { "normal", "urgent" },
    indexed = true,
    label = { "Priority", "优先级" },
}

field{
    entity = "sales.order",
    lines = "lines",
    name = "x_engraving",
    type = "text",
    max_length = 40,
    label = { "Engraving", "刻字" },
}

-- A read-only field of our own is for rules to fill.
rule{
    on = "custom.service_contract.before_save",
    name = "custom.contract_fee",
    check = function(contract)
        local fee = kontor.decimal(0)
        for _, device in ipairs(contract.devices) do
            fee = fee + (device.fee or 0)
        end
        contract.fee = fee
    end,
}

rule{
    on = "sales.order.before_confirm",
    name = "custom.urgent_order",
    check = function(order)
        if order.x_priority ~= "urgent" then
            return
        end
        local running = kontor.search("custom.service_contract", {
            { "customer", "=", order.customer },
            { "state", "=", "running" },
        }, { limit = 1 })
        if #running == 0 then
            kontor.deny("urgent orders need a running service contract", {
                field = "x_priority",
                message_zh = "加急订单须有生效的服务合同",
            })
        end
    end,
}
