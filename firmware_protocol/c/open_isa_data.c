/*
 * Vector arithmetic, sums, tables and counters: hostrt/docs/open-isa.md, 2.6 and 2.7.
 */
#include "open_isa_internal.h"

static uint32_t chunk_of(uint64_t done, uint64_t n)
{
    return ((n - done) < CHUNK) ? (uint32_t)(n - done) : CHUNK;
}

/* The second operands of a chunk: everything that differs between operations. z holds the old
   elements of z for MAC and SELECT. */
static void combine(uint32_t op, uint32_t n, const uint64_t *x, const uint64_t *y, uint64_t *z)
{
    uint32_t i;

    switch (op) {
    case OP_ADD:
        for (i = 0u; i < n; i++) {
            z[i] = x[i] + y[i];
        }
        break;
    case OP_SUB:
        for (i = 0u; i < n; i++) {
            z[i] = x[i] - y[i];
        }
        break;
    case OP_MUL:
        for (i = 0u; i < n; i++) {
            z[i] = x[i] * y[i];
        }
        break;
    case OP_MAC:
        for (i = 0u; i < n; i++) {
            z[i] += x[i] * y[i];
        }
        break;
    case OP_SELECT:
        for (i = 0u; i < n; i++) {
            z[i] = (y[i] != 0u) ? x[i] : z[i];
        }
        break;
    case OP_MAX:
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) > as_signed(y[i])) ? x[i] : y[i];
        }
        break;
    default: /* OP_MIN */
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) < as_signed(y[i])) ? x[i] : y[i];
        }
        break;
    }
}

static void compare(uint32_t op, uint32_t n, const uint64_t *x, const uint64_t *y, uint64_t *z)
{
    uint32_t i;

    switch (op) {
    case OP_GT:
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) > as_signed(y[i])) ? 1u : 0u;
        }
        break;
    case OP_GE:
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) >= as_signed(y[i])) ? 1u : 0u;
        }
        break;
    case OP_LT:
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) < as_signed(y[i])) ? 1u : 0u;
        }
        break;
    case OP_LE:
        for (i = 0u; i < n; i++) {
            z[i] = (as_signed(x[i]) <= as_signed(y[i])) ? 1u : 0u;
        }
        break;
    case OP_EQ:
        for (i = 0u; i < n; i++) {
            z[i] = (x[i] == y[i]) ? 1u : 0u;
        }
        break;
    case OP_AND:
        for (i = 0u; i < n; i++) {
            z[i] = ((x[i] != 0u) && (y[i] != 0u)) ? 1u : 0u;
        }
        break;
    case OP_OR:
        for (i = 0u; i < n; i++) {
            z[i] = ((x[i] | y[i]) != 0u) ? 1u : 0u;
        }
        break;
    default: /* OP_XOR */
        for (i = 0u; i < n; i++) {
            z[i] = ((x[i] != 0u) != (y[i] != 0u)) ? 1u : 0u;
        }
        break;
    }
}

/* One operand of vector arithmetic, chunk by chunk: a whole vector or one value for all elements. */
typedef struct {
    const uint64_t *words;
    uint32_t type;
    int32_t shift;
    int is_single;
    uint64_t values[CHUNK];
} operand_t;

static void fill(operand_t *operand, uint64_t value, uint64_t n)
{
    const uint32_t count = chunk_of(0u, n);
    uint64_t shifted = value;
    uint32_t i;

    oisa_shift(&shifted, 1u, operand->shift);
    for (i = 0u; i < count; i++) {
        operand->values[i] = shifted;
    }
}

/* Makes ready to read; a single element is read here. */
static void open_operand(operand_t *operand, const oisa_core_t *core, vector_t vector, uint64_t n)
{
    operand->words = &core->dm.words[vector.first];
    operand->type = vector.type;
    if ((operand->is_single != 0) && (n != 0u)) {
        uint64_t value;
        oisa_load(operand->words, operand->type, 0, 1, 1u, &value);
        fill(operand, value, n);
    }
}

static void read_operand(operand_t *operand, uint64_t done, uint32_t count)
{
    if (operand->is_single == 0) {
        oisa_load(operand->words, operand->type, (int64_t)done, 1, count, operand->values);
        oisa_shift(operand->values, count, operand->shift);
    }
}

static void run_vector(const oisa_core_t *core, const instruction_t *in, operand_t *x,
                       operand_t *y, uint64_t *to)
{
    const int reads_z = (in->op == OP_MAC) || (in->op == OP_SELECT);
    uint64_t z[CHUNK];
    uint64_t done;

    for (done = 0u; done < in->n; done += CHUNK) {
        const uint32_t count = chunk_of(done, in->n);
        read_operand(x, done, count);
        read_operand(y, done, count);
        if (reads_z != 0) {
            oisa_load(&core->dm.words[in->b], in->zt, (int64_t)done, 1, count, z);
        }
        if ((in->op >= OP_GT) && (in->op <= OP_XOR)) {
            compare(in->op, count, x->values, y->values, z);
        } else {
            combine(in->op, count, x->values, y->values, z);
        }
        oisa_narrow(z, count, in);
        oisa_store(to, in->zt, (int64_t)done, 1, count, z);
    }
}

oisa_status_t oisa_vector(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction)
{
    const instruction_t *in = instruction;
    const uint64_t single = (in->n != 0u) ? 1u : 0u;
    const vector_t z_at = {in->b, in->n, in->zt};
    vector_t x_at = {in->a, in->n, in->xt};
    vector_t y_at = {in->c[0], in->n, in->yt};
    oisa_status_t status;
    operand_t x;
    operand_t y;
    int is_at_risk;

    x.shift = in->sx;
    y.shift = in->sy;
    x.is_single = (in->mode == MODE_SCALAR_X);
    y.is_single = (in->mode == MODE_SCALAR) || (in->mode == MODE_NUMBER);
    x_at.n = (x.is_single != 0) ? single : in->n;
    y_at.n = (y.is_single != 0) ? single : in->n;
    status = oisa_check_vector(core, x_at);
    if ((status == OISA_OK) && (in->mode != MODE_NUMBER)) {
        status = oisa_check_vector(core, y_at);
    }
    if (status == OISA_OK) {
        status = oisa_check_vector(core, z_at);
    }
    if (status != OISA_OK) {
        return status;
    }
    open_operand(&x, core, x_at, in->n);
    if (in->mode == MODE_NUMBER) {
        fill(&y, (uint64_t)(int64_t)signed16(in->c[0]), in->n);
    } else {
        open_operand(&y, core, y_at, in->n);
    }
    is_at_risk = ((x.is_single == 0) && (oisa_is_at_risk(x_at, z_at) != 0)) ||
                 ((y.is_single == 0) && (oisa_is_at_risk(y_at, z_at) != 0));
    run_vector(core, in, &x, &y, oisa_open(chip, core, z_at, is_at_risk));
    oisa_close(chip, core, z_at, is_at_risk);
    return OISA_OK;
}

/* Sum of k elements from `first` on. */
static uint64_t sum_of(const uint64_t *words, uint32_t type, uint64_t first, uint64_t k)
{
    uint64_t values[CHUNK];
    uint64_t sum = 0u;
    uint64_t done;

    for (done = 0u; done < k; done += CHUNK) {
        const uint32_t count = chunk_of(done, k);
        uint32_t i;
        oisa_load(words, type, (int64_t)(first + done), 1, count, values);
        for (i = 0u; i < count; i++) {
            sum += values[i];
        }
    }
    return sum;
}

oisa_status_t oisa_sum(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction)
{
    const instruction_t *in = instruction;
    const uint64_t k = in->c[0];
    const vector_t x_at = {in->a, in->n * k, in->xt};
    const vector_t z_at = {in->b, in->n, in->zt};
    oisa_status_t status = oisa_check_vector(core, x_at);
    uint64_t z[CHUNK];
    uint64_t *to;
    uint64_t done;
    int is_at_risk;

    if (status == OISA_OK) {
        status = oisa_check_vector(core, z_at);
    }
    if (status != OISA_OK) {
        return status;
    }
    is_at_risk = oisa_is_at_risk(x_at, z_at);
    to = oisa_open(chip, core, z_at, is_at_risk);
    for (done = 0u; done < in->n; done += CHUNK) {
        const uint32_t count = chunk_of(done, in->n);
        uint32_t i;
        for (i = 0u; i < count; i++) {
            z[i] = sum_of(&core->dm.words[in->a], in->xt, (done + i) * k, k);
        }
        oisa_narrow(z, count, in);
        oisa_store(to, in->zt, (int64_t)done, 1, count, z);
    }
    oisa_close(chip, core, z_at, is_at_risk);
    return OISA_OK;
}

/* Values become entries of the table. */
static void look_up(const oisa_core_t *core, const instruction_t *in, uint64_t *values, uint32_t n)
{
    const uint64_t *table = &core->tm.words[in->c[0]];
    const int64_t lowest = signed16(in->d[0]);
    const int64_t highest = signed16(in->e[0]);
    uint32_t i;

    for (i = 0u; i < n; i++) {
        const int64_t value = as_signed(values[i]);
        const int64_t from_below = (value < lowest) ? lowest : value;
        const int64_t place = ((from_below > highest) ? highest : from_below) - lowest;
        if (in->flag == 0u) {
            values[i] = ((table[place] & 0xFFFFu) ^ 0x8000u) - 0x8000u;
        } else {
            const uint64_t low = table[2 * place] & 0xFFFFu;
            const uint64_t high = table[2 * place + 1] & 0xFFFFu;
            values[i] = (((high << 16) | low) ^ 0x80000000u) - 0x80000000u;
        }
    }
}

oisa_status_t oisa_lut(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction)
{
    const instruction_t *in = instruction;
    const uint64_t n_entries = (uint64_t)(signed16(in->e[0]) - signed16(in->d[0])) + 1u;
    const vector_t x_at = {in->a, in->n, in->xt};
    const vector_t z_at = {in->b, in->n, in->zt};
    oisa_status_t status = oisa_check_vector(core, x_at);
    uint64_t values[CHUNK];
    uint64_t *to;
    uint64_t done;
    int is_at_risk;

    if (status == OISA_OK) {
        status = oisa_check(&core->tm, in->c[0], n_entries << in->flag);
    }
    if (status == OISA_OK) {
        status = oisa_check_vector(core, z_at);
    }
    if (status != OISA_OK) {
        return status;
    }
    is_at_risk = oisa_is_at_risk(x_at, z_at);
    to = oisa_open(chip, core, z_at, is_at_risk);
    for (done = 0u; done < in->n; done += CHUNK) {
        const uint32_t count = chunk_of(done, in->n);
        oisa_load(&core->dm.words[in->a], in->xt, (int64_t)done, 1, count, values);
        oisa_shift(values, count, in->sx);
        look_up(core, in, values, count);
        oisa_store(to, in->zt, (int64_t)done, 1, count, values);
    }
    oisa_close(chip, core, z_at, is_at_risk);
    return OISA_OK;
}

oisa_status_t oisa_count(const oisa_core_t *core, const instruction_t *instruction)
{
    const instruction_t *in = instruction;
    oisa_status_t status = oisa_check(&core->dm, in->a, 1u);
    uint64_t value;
    int64_t rest;

    if (status == OISA_OK) {
        status = oisa_check(&core->dm, in->b, 1u);
    }
    if (status != OISA_OK) {
        return status;
    }
    oisa_load(&core->dm.words[in->a], in->xt, 0, 1, 1u, &value);
    rest = as_signed(value) % (int64_t)in->n;
    if (rest < 0) {
        rest += (int64_t)in->n;
    }
    value = (rest == (int64_t)in->c[0]) ? 1u : 0u;
    oisa_store(&core->dm.words[in->b], in->zt, 0, 1, 1u, &value);
    value = (uint64_t)(rest + 1) % in->n;
    oisa_store(&core->dm.words[in->a], in->xt, 0, 1, 1u, &value);
    return OISA_OK;
}
