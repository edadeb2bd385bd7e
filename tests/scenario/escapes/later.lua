--- locals_of_the_file_keep_a_record | harmless
kept.record, kept.step = record, step

--- kept_record_is_dead | fails: a record was kept from an earlier run
return kept.record.name

--- kept_step_is_dead | fails: a record was kept from an earlier run
return kept.step.old

--- kept_record_cannot_be_written | fails: a record was kept from an earlier run
kept.record.name = "from an earlier run"

--- kept_record_cannot_be_walked | fails: a record was kept from an earlier run
for name in pairs(kept.record) do kontor.log(name) end

--- kept_record_is_still_text_free | fails: a record was kept from an earlier run
return tostring(kept.record)

--- kept_value | harmless
record.data = { a = { b = 1 } }
kept.value = record.data

--- kept_value_is_dead | fails: a record was kept from an earlier run
return kept.value.a

--- kept_search | harmless
kept.found = kontor.search("custom.note", {}, { limit = 1 })

--- kept_search_is_dead | fails: a record was kept from an earlier run
return kept.found[1].name

--- function_poisoned_for_later | harmless
kept.deny = kontor.deny

--- function_kept_denies_for_the_present_rule | denies: by a kept function
kept.deny("by a kept function")

--- memory_kept_for_ever | fails: memory or used up their
kept.list = kept.list or {}
for i = 1, 1 << 40 do kept.list[#kept.list + 1] = { i } end

--- memory_kept_again | fails: memory or used up their
kept.list = kept.list or {}
for i = 1, 1 << 40 do kept.list[#kept.list + 1] = { i } end

--- memory_given_back | harmless
kept.list = nil

--- half_a_sort_left_behind | fails: stop here
kept.sorted = { 3, 2, 1 }
table.sort(kept.sorted, function() error("stop here") end)

--- iterator_kept | harmless
kept.iterator = ("a b c"):gmatch("%a")
assert(kept.iterator() == "a")

--- iterator_kept_goes_on | harmless
assert(kept.iterator() == "b")
