/* Goal: no program that compiles gets out of the sandbox or breaks it, whatever it does with the
 * library, metatables, records and kontor.*.
 * Method: the bytes choose the productions of a small grammar of Lua, so that nearly every input is
 * a rule file that runs (rule_host.h), with few steps to keep inputs short. When the bytes are used
 * up, each choice is the first, which ends. */
#include <stdio.h>
#include <string.h>

#include "rule_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define TEXT_MOST  32768
#define DEPTH_MOST 9
#define STEPS      60000

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

struct program {
    const uint8_t *at, *end;
    unsigned depth;
    unsigned labels;
    size_t used;
    char text[TEXT_MOST];
};

static void statement(struct program *p);
static void expression(struct program *p);

static unsigned pick(struct program *p, size_t choices)
{
    return p->at < p->end ? (unsigned)(*p->at++ % choices) : 0;
}

static void add(struct program *p, const char *text)
{
    size_t length = strlen(text);
    if (p->used + length >= sizeof(p->text))
        return;
    memcpy(p->text + p->used, text, length);
    p->used += length;
}

static void add_one_of(struct program *p, const char *const *texts, size_t count)
{
    add(p, texts[pick(p, count)]);
}

#define ADD_ONE_OF(p, texts) add_one_of(p, texts, COUNT(texts))

/* What `shape` says, with $e for an expression, $s for a statement, $v a variable, $f a field, $l a
 * label of its own. */
static void fill(struct program *p, const char *shape)
{
    static const char *const variables[] = {"a", "b", "c", "d", "e", "f", "record", "step"};
    static const char *const fields[] = {
        "number", "customer", "date", "total", "discount_max", "approved_by", "urgent",  "copies",
        "tags",   "extra",    "id",   "state", "lines",        "old",         "version", "params"};
    char label[16];
    snprintf(label, sizeof(label), "l%u", ++p->labels);
    for (const char *at = shape; *at; at++) {
        char one[2] = {*at, '\0'};
        if (*at != '$') {
            add(p, one);
            continue;
        }
        switch (*++at) {
        case 'e':
            expression(p);
            break;
        case 's':
            statement(p);
            break;
        case 'v':
            ADD_ONE_OF(p, variables);
            break;
        case 'f':
            ADD_ONE_OF(p, fields);
            break;
        default:
            add(p, label);
        }
    }
}

static const char *const simple_expressions[] = {"1",
                                                 "$v",
                                                 "nil",
                                                 "true",
                                                 "\"text\"",
                                                 "0",
                                                 "-1",
                                                 "math.maxinteger",
                                                 "math.mininteger",
                                                 "0.5",
                                                 "1e308",
                                                 "\"%b()\"",
                                                 "\"(.-)%1*\"",
                                                 "\"[^%w]+\"",
                                                 "\"a\\0\\xff\"",
                                                 "\"2026-02-29\"",
                                                 "\"sales.order\"",
                                                 "\"number\"",
                                                 "record.$f",
                                                 "step.old",
                                                 "kontor.none",
                                                 "print",
                                                 "string.upper"};

static const char *const expression_shapes[] = {
    "($e + $e)",
    "($e - $e)",
    "($e * $e)",
    "($e / $e)",
    "($e // $e)",
    "($e % $e)",
    "($e ^ $e)",
    "($e .. $e)",
    "($e == $e)",
    "($e < $e)",
    "($e <= $e)",
    "($e and $e)",
    "($e or $e)",
    "($e & $e)",
    "($e << $e)",
    "(not $e)",
    "(-$e)",
    "(#$e)",
    "(~$e)",
    "($e)[$e]",
    "($e).$f",
    "($e)($e)",
    "($e)($e, $e)",
    "{$e, $e, $f = $e}",
    "{[$e] = $e}",
    "{}",
    "function(a, ...) $s $s return $e end",
    "(function(...) $s return ... end)($e, $e)",
    "pcall($e, $e)",
    "pcall(function() $s $s end)",
    "select(2, pcall($e, $e, $e))",
    "xpcall(function() $s end, function(b) $s return $e end)",
    "select($e, $e, $e)",
    "tostring($e)",
    "tonumber($e)",
    "type($e)",
    "next($e)",
    "assert($e, $e)",
    "error($e)",
    "getmetatable($e)",
    "setmetatable({$e}, {__index = $e})",
    "setmetatable({}, {__index = function(b, c) $s return $e end})",
    "setmetatable({}, {__newindex = $e, __call = $e, __len = $e})",
    "setmetatable({}, {__eq = $e, __lt = $e, __le = $e, __unm = $e})",
    "setmetatable({}, {__tostring = function(b) return $e end})",
    "setmetatable({}, {__add = function(b, c) $s return $e end, __sub = $e})",
    "setmetatable({}, {__pairs = function(b) return $e, $e, $e end})",
    "setmetatable({}, {__metatable = $e})",
    "setmetatable($e, $e)",
    "string.rep($e, $e)",
    "string.rep(\"ab\", 100, $e)",
    "string.find($e, $e)",
    "string.match($e, $e, $e)",
    "string.gsub($e, $e, $e)",
    "string.gsub(\"a b a\", \"%w\", function(b) $s return $e end)",
    "string.gsub(\"abab\", \".\", $e, $e)",
    "string.format(\"%s %5.2f %q\", $e, $e, $e)",
    "string.format($e, $e)",
    "string.sub($e, $e, $e)",
    "string.byte($e, $e, $e)",
    "string.char($e, $e)",
    "table.concat($e, $e)",
    "table.concat({$e, $e}, \",\", $e, $e)",
    "table.unpack($e)",
    "table.unpack({$e, $e}, $e, $e)",
    "table.pack($e, $e)",
    "table.move({$e, $e}, $e, $e, $e)",
    "table.remove($e, $e)",
    "utf8.char($e)",
    "utf8.codepoint($e, $e, $e)",
    "utf8.len($e, $e, $e)",
    "utf8.offset($e, $e)",
    "math.floor($e)",
    "math.max($e, $e)",
    "math.tointeger($e)",
    "math.fmod($e, $e)",
    "kontor.decimal($e)",
    "kontor.decimal(\"12.345\")",
    "kontor.decimal(\"-7\"):round($e)",
    "kontor.decimal(\"99999999999999999999\"):round($e, $e)",
    "kontor.decimal(1):abs()",
    "kontor.date($e)",
    "kontor.date(\"2026-11-24\")",
    "kontor.date(2026, $e, $e)",
    "kontor.date(\"2024-02-29\"):add_months($e)",
    "kontor.date(\"2024-02-29\"):end_of_month().weekday",
    "kontor.today()",
    "kontor.now()",
    "kontor.now():date()",
    "kontor.instant($e)",
    "kontor.random($e, $e)",
    "kontor.t($e, $e)",
    "kontor.t(\"%s of %s\", \"%s\", $e, $e)",
    "kontor.get(\"sales.order\", $e)",
    "kontor.find(\"sales.order\", \"number\", $e)",
    "kontor.search(\"sales.order\", {{\"number\", \"=\", $e}}, {limit = $e})",
    "kontor.count(\"sales.order\", $e)",
    "kontor.create(\"sales.order\", {number = $e, $f = $e})",
    "kontor.update(\"sales.order\", $e, {$f = $e})",
    "kontor.delete(\"sales.order\", $e)",
    "kontor.call($e, $e)",
    "kontor.call(\"record.count\", {$f = $e})",
    "kontor.emit(\"fuzz.rang\", {id = $e})",
    "kontor.total($e, $e)",
    "kontor.setting($e, $e)",
    "kontor.has_role($e)",
    "kontor.user()",
    "record.lines[$e]",
    "record.lines[1].price"};

static void expression(struct program *p)
{
    if (p->depth >= DEPTH_MOST || pick(p, 3) == 0) {
        fill(p, simple_expressions[pick(p, COUNT(simple_expressions))]);
        return;
    }
    p->depth++;
    fill(p, expression_shapes[pick(p, COUNT(expression_shapes))]);
    p->depth--;
}

static const char *const statement_shapes[] = {
    ";",
    "pcall(function() $s $s $s end) ",
    "local a = $e ",
    "local b, c = $e, $e ",
    "$v = $e ",
    "a, b = b, $e ",
    ";($e)[$e] = $e ",
    ";($e).$f = $e ",
    "record.$f = $e ",
    "record.lines[$e].price = $e ",
    "kept[$e] = $e ",
    "kept.record = record ",
    "d = kept.record ",
    "pcall($e, $e) ",
    "local _ = $e ",
    "if $e then $s else $s end ",
    "if $e then $s $s elseif $e then $s end ",
    "while $e do $s $s end ",
    "while true do if $e then break end $s end ",
    "repeat $s until $e ",
    "for c = $e, $e do $s end ",
    "for c = 1, 20 do $s $s end ",
    "for c = $e, $e, $e do $s end ",
    "for c, d in pairs($e) do $s end ",
    "for c, d in ipairs($e) do $s end ",
    "for c, d in ipairs(record.lines) do d.price = $e $s end ",
    "for c, d in pairs(record) do $s end ",
    "for c in string.gmatch($e, $e) do $s end ",
    "for c, d in utf8.codes($e) do $s end ",
    "for c in $e, $e, $e do $s end ",
    "do local n = 0 ::$l:: n = n + 1 $s if n < 9 then goto $l end end ",
    "do local n <const> = $e $s end ",
    "do local n <close> = $e $s end ",
    "do $s $s $s end ",
    "do return $e end ",
    "local function f(a, ...) $s return f($e, ...) end pcall(f, $e) ",
    "local function f(a) if a then return f($e) end $s end f($e) ",
    "table.insert($e, $e) ",
    "table.insert(kept, $e, $e) ",
    "table.sort($e) ",
    "table.sort({$e, $e, $e}, function(a, b) return $e end) ",
    "table.sort({3, 1, 2, 5, 4}, function(a, b) $s return $e end) ",
    "kontor.log($e, $e) ",
    "print($e) ",
    "kontor.deny($e, {field = $e, details = $e}) ",
    "pcall(kontor.deny, $e) "};

static void statement(struct program *p)
{
    if (p->depth >= DEPTH_MOST) {
        add(p, ";");
        return;
    }
    p->depth++;
    fill(p, statement_shapes[pick(p, COUNT(statement_shapes))]);
    p->depth--;
}

static void rule(struct program *p, unsigned number)
{
    static const char *const moments[] = {"before_save",   "after_save",    "before_confirm",
                                          "after_confirm", "before_delete", "after_delete"};
    char name[32];
    snprintf(name, sizeof(name), "\", name = \"r%u", number);
    add(p, "rule{ on = \"sales.order.");
    ADD_ONE_OF(p, moments);
    add(p, name);
    add(p, "\", check = function(record, step)\nlocal a, b, c, d, e, f = 1, \"text\", {1, 2, 3}, "
           "kontor.decimal(\"1.5\"), kontor.date(\"2026-11-24\"), record.lines\n");
    unsigned statements = 2 + pick(p, 8);
    for (unsigned i = 0; i < statements; i++) {
        fill(p, pick(p, 3) ? "pcall(function() $s $s end)\n" : "$s\n");
    }
    add(p, "end }\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct program program;
    program = (struct program){.at = bytes, .end = bytes + size};
    add(&program, "local kept = {}\nevent{ name = \"fuzz.rang\", label = \"Rang\" }\n");
    for (unsigned i = 0; i < 3; i++)
        rule(&program, i);
    (void)rule_host_try(program.text, program.used, STEPS);
    return 0;
}
