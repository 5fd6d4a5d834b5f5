/* formats/unpickle.c: a stack, a memo, and one function for each group of opcodes. Values are never
 * copied once made: the stack, lists and memo hold their indices. */
#include "formats/unpickle.h"

#include <string.h>

enum { max_values = 1 << 20, max_stack = 1 << 18 };

/* The names that a pickle may call or hand over. */
typedef enum known_name {
    NAME_ORDERED_DICT,
    NAME_REBUILD_TENSOR,
    NAME_REBUILD_PARAMETER,
    NAME_STORAGE, /* + dtype */
} known_name;

static const struct {
    const char *module, *name;
    known_name is;
    ken_dtype dtype;
} names[] = {
    {"collections", "OrderedDict", NAME_ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", NAME_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", NAME_REBUILD_PARAMETER, 0},
    {"torch", "FloatStorage", NAME_STORAGE, KEN_DTYPE_F32},
    {"torch", "HalfStorage", NAME_STORAGE, KEN_DTYPE_F16},
    {"torch", "BFloat16Storage", NAME_STORAGE, KEN_DTYPE_BF16},
    {"torch", "DoubleStorage", NAME_STORAGE, KEN_DTYPE_F64},
    {"torch", "LongStorage", NAME_STORAGE, KEN_DTYPE_I64},
    {"torch", "IntStorage", NAME_STORAGE, KEN_DTYPE_I32},
    {"torch", "ShortStorage", NAME_STORAGE, KEN_DTYPE_I16},
    {"torch", "CharStorage", NAME_STORAGE, KEN_DTYPE_I8},
    {"torch", "ByteStorage", NAME_STORAGE, KEN_DTYPE_U8},
    {"torch", "BoolStorage", NAME_STORAGE, KEN_DTYPE_BOOL},
};

typedef struct machine {
    const uint8_t *at, *end;
    const char *path;
    ken_error *err;
    pickle *out;
    uint32_t *stack;
    size_t n_stack, stack_capacity;
    size_t *marks;
    size_t n_marks, marks_capacity;
    uint32_t *memo; /* value + 1; 0: nothing */
    size_t n_memo;
    bool stopped;
} machine;

static ken_status damaged(const machine *m, const char *what) {
    return error_set(m->err, KEN_BAD_FORMAT, "'%s' holds a damaged pickle: %s", m->path, what);
}

static ken_status cut_off(const machine *m) {
    return damaged(m, "it is cut off");
}

static ken_status no_memory(const machine *m) {
    return error_no_memory(m->err, m->out->n_values * sizeof *m->out->values);
}

/* Room for one more item; arrays double. */
static bool grow(void **array, size_t n, size_t *capacity, size_t item_bytes) {
    if (n < *capacity)
        return true;
    size_t more = *capacity ? 2 * *capacity : 64;
    void *block = mem_grow(*array, n * item_bytes, more * item_bytes);
    if (!block)
        return false;
    *array = block;
    *capacity = more;
    return true;
}

static bool take(machine *m, size_t n, const uint8_t **out) {
    if ((size_t)(m->end - m->at) < n)
        return false;
    *out = m->at;
    m->at += n;
    return true;
}

static bool take_number(machine *m, int n_bytes, uint64_t *out) {
    const uint8_t *p;
    if (!take(m, (size_t)n_bytes, &p))
        return false;
    *out = 0;
    for (int i = n_bytes; i-- > 0;)
        *out = *out << 8 | p[i];
    return true;
}

/* ---- the stack ------------------------------------------------------------------------------- */

static ken_status push_index(machine *m, uint32_t value) {
    void *array = m->stack;
    if (m->n_stack == max_stack)
        return damaged(m, "it stacks too many values");
    if (!grow(&array, m->n_stack, &m->stack_capacity, sizeof *m->stack))
        return no_memory(m);
    m->stack = array;
    m->stack[m->n_stack++] = value;
    return KEN_OK;
}

static ken_status push(machine *m, pickle_value value) {
    pickle *p = m->out;
    void *array = p->values;
    if (p->n_values == max_values)
        return error_set(m->err, KEN_TOO_LARGE, "'%s' holds more than %d values", m->path,
                         max_values);
    if (!grow(&array, p->n_values, &p->capacity, sizeof *p->values))
        return no_memory(m);
    p->values = array;
    p->values[p->n_values++] = value;
    return push_index(m, (uint32_t)(p->n_values - 1));
}

static pickle_value *top(const machine *m, size_t below) {
    return &m->out->values[m->stack[m->n_stack - 1 - below]];
}

/* At least n values lie above the last mark. */
static bool has(const machine *m, size_t n) {
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    return m->n_stack - floor >= n;
}

/* Appends the top n values to a list or dict that has `container`'s index. */
static ken_status append(machine *m, uint32_t container, size_t n) {
    for (size_t i = 0; i < n; i++) {
        pickle_value *v = &m->out->values[container];
        void *array = v->list;
        if (!grow(&array, v->n, &v->capacity, sizeof *v->list))
            return no_memory(m);
        v->list = array;
        v->list[v->n++] = m->stack[m->n_stack - n + i];
    }
    m->n_stack -= n;
    return KEN_OK;
}

/* A tuple of the top n values. */
static ken_status make_tuple(machine *m, size_t n) {
    if (!has(m, n))
        return damaged(m, "it takes more values than there are");
    TRY(push(m, (pickle_value){.kind = PICKLE_LIST}));
    uint32_t tuple = m->stack[--m->n_stack];
    TRY(append(m, tuple, n));
    return push_index(m, tuple);
}

/* How many values lie above the last mark, which goes. */
static ken_status pop_mark(machine *m, size_t *n) {
    if (m->n_marks == 0)
        return damaged(m, "it looks for a mark that is not there");
    *n = m->n_stack - m->marks[--m->n_marks];
    return KEN_OK;
}

static ken_status push_mark(machine *m) {
    void *array = m->marks;
    if (m->n_marks == max_stack)
        return damaged(m, "it sets too many marks");
    if (!grow(&array, m->n_marks, &m->marks_capacity, sizeof *m->marks))
        return no_memory(m);
    m->marks = array;
    m->marks[m->n_marks++] = m->n_stack;
    return KEN_OK;
}

/* n values into the container below them. */
static ken_status fill(machine *m, size_t n, pickle_kind kind) {
    if (!has(m, n + 1) || (kind == PICKLE_DICT && n % 2))
        return damaged(m, "it fills a container that is not there");
    uint32_t container = m->stack[m->n_stack - 1 - n];
    if (m->out->values[container].kind != kind)
        return damaged(m, "it fills something that is no container");
    return append(m, container, n);
}

/* ---- numbers, texts, names ------------------------------------------------------------------- */

static ken_status push_number(machine *m, int n_bytes) {
    uint64_t value;
    if (!take_number(m, n_bytes, &value))
        return cut_off(m);
    int64_t number = n_bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
    return push(m, (pickle_value){.kind = PICKLE_INT, .number = number});
}

/* Two's complement of up to 8 bytes; longer ones are no size or offset. */
static ken_status push_long(machine *m) {
    uint64_t size, value = 0;
    const uint8_t *p;
    if (!take_number(m, 1, &size) || !take(m, (size_t)size, &p))
        return cut_off(m);
    if (size > 8)
        return push(m, (pickle_value){.kind = PICKLE_NONE});
    for (size_t i = size; i-- > 0;)
        value = value << 8 | p[i];
    if (size && size < 8 && p[size - 1] & 0x80)
        value |= UINT64_MAX << (8 * size);
    return push(m, (pickle_value){.kind = PICKLE_INT, .number = (int64_t)value});
}

static ken_status push_text(machine *m) {
    uint64_t size;
    const uint8_t *p;
    if (!take_number(m, 4, &size) || !take(m, (size_t)size, &p))
        return cut_off(m);
    return push(m,
                (pickle_value){.kind = PICKLE_TEXT, .text = (const char *)p, .size = (size_t)size});
}

static bool take_line(machine *m, const char **text, size_t *size) {
    const uint8_t *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline)
        return false;
    *text = (const char *)m->at;
    *size = (size_t)(newline - m->at);
    m->at = newline + 1;
    return true;
}

static bool is_text(const char *text, size_t size, const char *expected) {
    return size == strlen(expected) && memcmp(text, expected, size) == 0;
}

static ken_status push_name(machine *m) {
    const char *module, *name;
    size_t module_size, name_size;
    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size))
        return cut_off(m);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_text(module, module_size, names[i].module) &&
            is_text(name, name_size, names[i].name))
            return push(m, (pickle_value){.kind = PICKLE_NAME,
                                          .number = names[i].is,
                                          .dtype = names[i].dtype});
    ken_status status =
        error_set(m->err, KEN_REFUSED, "'%s' wants to call '%.*s.%.*s': only tensors are read",
                  m->path, module_size < 60 ? (int)module_size : 60, module,
                  name_size < 60 ? (int)name_size : 60, name);
    return error_hint(m->err, status, "save the state dict alone, or as safetensors");
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* ('storage', <a kind of storage>, 'KEY', 'cpu', n) names a storage. */
static ken_status push_storage(machine *m) {
    if (!has(m, 1) || top(m, 0)->kind != PICKLE_LIST || top(m, 0)->n < 3)
        return damaged(m, "a persistent id is no storage");
    const pickle_value *values = m->out->values, *id = top(m, 0);
    const pickle_value *tag = &values[id->list[0]], *type = &values[id->list[1]];
    const pickle_value *key = &values[id->list[2]];
    if (tag->kind != PICKLE_TEXT || !is_text(tag->text, tag->size, "storage") ||
        type->kind != PICKLE_NAME || type->number != NAME_STORAGE || key->kind != PICKLE_TEXT)
        return damaged(m, "a persistent id is no storage");
    pickle_value storage = {
        .kind = PICKLE_STORAGE, .dtype = type->dtype, .text = key->text, .size = key->size};
    m->n_stack--;
    return push(m, storage);
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, ...) */
static ken_status rebuild_tensor(machine *m, const pickle_value *arguments) {
    const pickle_value *values = m->out->values;
    if (arguments->n < 4)
        return damaged(m, "a tensor lacks arguments");
    const uint32_t *list = arguments->list;
    if (values[list[0]].kind != PICKLE_STORAGE || values[list[1]].kind != PICKLE_INT ||
        values[list[2]].kind != PICKLE_LIST || values[list[3]].kind != PICKLE_LIST)
        return damaged(m, "a tensor's arguments have the wrong types");
    pickle_value made = {.kind = PICKLE_TENSOR,
                         .number = values[list[1]].number,
                         .items = {list[0], list[2], list[3]}};
    m->n_stack -= 2;
    return push(m, made);
}

static ken_status call(machine *m) {
    if (!has(m, 2) || top(m, 0)->kind != PICKLE_LIST || top(m, 1)->kind != PICKLE_NAME)
        return damaged(m, "it calls something that is no function");
    const pickle_value *arguments = top(m, 0);
    switch ((known_name)top(m, 1)->number) {
    case NAME_ORDERED_DICT:
        m->n_stack -= 2;
        return push(m, (pickle_value){.kind = PICKLE_DICT});
    case NAME_REBUILD_TENSOR:
        return rebuild_tensor(m, arguments);
    case NAME_REBUILD_PARAMETER: { /* (tensor, requires_grad, hooks) */
        if (arguments->n < 1 || m->out->values[arguments->list[0]].kind != PICKLE_TENSOR)
            return damaged(m, "a parameter is no tensor");
        uint32_t data = arguments->list[0];
        m->n_stack -= 2;
        return push_index(m, data);
    }
    case NAME_STORAGE:
        break;
    }
    return damaged(m, "it calls a storage");
}

/* ---- memo ------------------------------------------------------------------------------------ */

static ken_status remember(machine *m, int n_bytes) {
    uint64_t slot;
    if (!take_number(m, n_bytes, &slot))
        return cut_off(m);
    if (!has(m, 1) || slot >= max_values)
        return damaged(m, "it remembers nothing, or too much");
    if (slot >= m->n_memo) {
        size_t more = slot + 1 > 2 * m->n_memo ? slot + 64 : 2 * m->n_memo;
        uint32_t *memo = mem_grow(m->memo, m->n_memo * sizeof *memo, more * sizeof *memo);
        if (!memo)
            return no_memory(m);
        memset(memo + m->n_memo, 0, (more - m->n_memo) * sizeof *memo);
        m->memo = memo;
        m->n_memo = more;
    }
    m->memo[slot] = m->stack[m->n_stack - 1] + 1;
    return KEN_OK;
}

static ken_status recall(machine *m, int n_bytes) {
    uint64_t slot;
    if (!take_number(m, n_bytes, &slot))
        return cut_off(m);
    if (slot >= m->n_memo || !m->memo[slot])
        return damaged(m, "it recalls what it never remembered");
    return push_index(m, m->memo[slot] - 1);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static ken_status pop(machine *m, size_t n) {
    if (!has(m, n))
        return damaged(m, "it takes more values than there are");
    m->n_stack -= n;
    return KEN_OK;
}

/* Opcodes that build containers. */
static ken_status run_container(machine *m, uint8_t op) {
    size_t n = 0;
    switch (op) {
    case ')':
    case ']':
        return push(m, (pickle_value){.kind = PICKLE_LIST});
    case '}':
        return push(m, (pickle_value){.kind = PICKLE_DICT});
    case 't':
        TRY(pop_mark(m, &n));
        return make_tuple(m, n);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_tuple(m, (size_t)(op - 0x84));
    case 'a':
        return fill(m, 1, PICKLE_LIST);
    case 'e':
        TRY(pop_mark(m, &n));
        return fill(m, n, PICKLE_LIST);
    case 's':
        return fill(m, 2, PICKLE_DICT);
    default: /* 'u' */
        TRY(pop_mark(m, &n));
        return fill(m, n, PICKLE_DICT);
    }
}

static ken_status run_opcode(machine *m, uint8_t op) {
    const uint8_t *skipped;
    switch (op) {
    case 0x80: /* protocol */
        if (!take(m, 1, &skipped))
            return cut_off(m);
        return *skipped == 2
                   ? KEN_OK
                   : error_set(m->err, KEN_UNSUPPORTED,
                               "'%s' holds a pickle of protocol %d, expected 2", m->path, *skipped);
    case '.':
        m->stopped = true;
        return m->n_stack == 1 ? KEN_OK : damaged(m, "it ends with other than one value");
    case '(':
        return push_mark(m);
    case 'N':
        return push(m, (pickle_value){.kind = PICKLE_NONE});
    case 0x88:
    case 0x89:
        return push(m, (pickle_value){.kind = PICKLE_BOOL, .number = op == 0x88});
    case 'K':
        return push_number(m, 1);
    case 'M':
        return push_number(m, 2);
    case 'J':
        return push_number(m, 4);
    case 0x8a:
        return push_long(m);
    case 'G':
        return take(m, 8, &skipped) ? push(m, (pickle_value){.kind = PICKLE_FLOAT}) : cut_off(m);
    case 'X':
        return push_text(m);
    case 'c':
        return push_name(m);
    case 'Q':
        return push_storage(m);
    case 'R':
        return call(m);
    case 'b': /* state of an OrderedDict: its _metadata */
        return pop(m, 1);
    case '0':
        return pop(m, 1);
    case 'q':
        return remember(m, 1);
    case 'r':
        return remember(m, 4);
    case 'h':
        return recall(m, 1);
    case 'j':
        return recall(m, 4);
    default:
        break;
    }
    if (op && strchr(")]}tae\x85\x86\x87su", op))
        return run_container(m, op);
    return error_set(m->err, KEN_UNSUPPORTED, "'%s' holds a pickle with the opcode 0x%02x", m->path,
                     op);
}

ken_status unpickle(const uint8_t *bytes, size_t size, const char *path, pickle *out,
                    ken_error *err) {
    *out = (pickle){0};
    machine m = {.at = bytes, .end = bytes + size, .path = path, .err = err, .out = out};
    ken_status status = KEN_OK;
    while (status == KEN_OK && !m.stopped)
        status = m.at < m.end ? run_opcode(&m, *m.at++) : cut_off(&m);
    if (status == KEN_OK)
        out->root = m.stack[0];
    mem_free(m.stack);
    mem_free(m.marks);
    mem_free(m.memo);
    return status;
}

void pickle_reset(pickle *p) {
    for (size_t i = 0; i < p->n_values; i++)
        mem_free(p->values[i].list);
    mem_free(p->values);
    *p = (pickle){0};
}
