/*
 * Instructions taken apart, and what they cost: hostrt/docs/open-isa.md, 2 and 4.2.
 */
#include "open_isa_internal.h"

#define NARROW_E UINT64_C(0x000001FF00000000) /* shift, rounded */
#define NARROW_F UINT64_C(0x00FF000000000000) /* bits */
#define AUX_XT UINT64_C(0x0003000000000000)
#define AUX_YT UINT64_C(0x000C000000000000)
#define AUX_ZT UINT64_C(0x0030000000000000)
#define AUX_FLAG UINT64_C(0x0040000000000000)
#define AUX_ALL UINT64_C(0x00FF000000000000)
#define FIELD_N UINT64_C(0x0000FFFF00000000)
#define FIELD_A UINT64_C(0x00000000FFFF0000)
#define FIELD_B UINT64_C(0x000000000000FFFF)
#define FIELD_C UINT64_C(0x000000000000FFFF)
#define FIELD_D UINT64_C(0x00000000FFFF0000)
#define FIELD_E UINT64_C(0x0000FFFF00000000)
#define FIELD_F UINT64_C(0xFFFF000000000000)
#define FIELD_OP UINT64_C(0xFF00000000000000)
#define NAB (FIELD_N | FIELD_A | FIELD_B)

/* The bits that an operation uses, in its first word and its operand words. */
typedef struct {
    uint64_t used[1u + MAX_OPERAND_WORDS];
} layout_t;

static const layout_t NO_FIELDS = {{0}};
static const layout_t RECV_FIELDS = {{FIELD_N | FIELD_A}};
static const layout_t WORDS_FIELDS = {{NAB}};
static const layout_t B_FIELDS = {{FIELD_B}};
static const layout_t JZERO_FIELDS = {{FIELD_A | FIELD_B | AUX_XT}};
static const layout_t LOOP_FIELDS = {{FIELD_N | FIELD_B | AUX_XT}};
static const layout_t POST_FIELDS = {{NAB, FIELD_C}};
static const layout_t LUT_FIELDS = {
    {NAB | AUX_XT | AUX_ZT | AUX_FLAG, FIELD_C | FIELD_D | FIELD_E | NARROW_F}};
static const layout_t COUNT_FIELDS = {{NAB | AUX_XT | AUX_ZT, FIELD_C}};
static const layout_t SUM_FIELDS = {{NAB | AUX_XT | AUX_ZT, FIELD_C | NARROW_E | NARROW_F}};
static const layout_t VECTOR_FIELDS = {{NAB | AUX_ALL, FIELD_C | FIELD_D | NARROW_E | NARROW_F}};
static const layout_t MATVEC_FIELDS = {{NAB | AUX_XT | AUX_YT | AUX_ZT | AUX_FLAG,
                                        FIELD_C | FIELD_D | FIELD_E | FIELD_F,
                                        UINT64_C(3) | FIELD_D | NARROW_E | NARROW_F}};
static const layout_t MOVE_FIELDS = {{NAB | AUX_XT | AUX_ZT, FIELD_C | FIELD_D | FIELD_E,
                                      FIELD_C | FIELD_D | FIELD_E | FIELD_F}};
static const layout_t MOVEL_FIELDS = {{NAB | AUX_XT | AUX_YT | AUX_ZT, FIELD_C | FIELD_D | FIELD_E,
                                       FIELD_C | FIELD_D | FIELD_E | FIELD_F, FIELD_C | FIELD_D}};

static int is_vector(uint32_t op)
{
    return (op >= OP_ADD) && (op <= OP_SELECT);
}

static const layout_t *find_layout(uint32_t op)
{
    switch (op) {
    case OP_HALT:
        return &NO_FIELDS;
    case OP_RECV:
        return &RECV_FIELDS;
    case OP_COPY:
    case OP_SEND:
        return &WORDS_FIELDS;
    case OP_JUMP:
    case OP_SIGNAL:
        return &B_FIELDS;
    case OP_JZERO:
        return &JZERO_FIELDS;
    case OP_LOOP:
        return &LOOP_FIELDS;
    case OP_POST:
        return &POST_FIELDS;
    case OP_LUT:
        return &LUT_FIELDS;
    case OP_COUNT:
        return &COUNT_FIELDS;
    case OP_SUM:
        return &SUM_FIELDS;
    case OP_MATVEC:
        return &MATVEC_FIELDS;
    case OP_MOVE:
        return &MOVE_FIELDS;
    case OP_MOVEL:
        return &MOVEL_FIELDS;
    default:
        return is_vector(op) ? &VECTOR_FIELDS : NULL;
    }
}

static uint32_t bits16(uint64_t word, uint32_t low)
{
    return (uint32_t)(word >> low) & 0xFFFFu;
}

static void take_narrow(instruction_t *in, uint32_t operand)
{
    in->shift = signed8(in->e[operand]);
    in->is_rounded = (in->e[operand] >> 8) & 1u;
    in->bits = in->f[operand] & 0xFFu;
}

static void take_fields(const uint64_t *words, instruction_t *in)
{
    const uint32_t aux = (uint32_t)(words[0] >> 48) & 0xFFu;
    uint32_t i;

    in->n = bits16(words[0], 32);
    in->a = bits16(words[0], 16);
    in->b = bits16(words[0], 0);
    in->xt = aux & 3u;
    in->yt = (aux >> 2) & 3u;
    in->zt = (aux >> 4) & 3u;
    in->mode = aux >> 6;
    in->flag = (aux >> 6) & 1u;
    in->reg = (in->op == OP_LOOP) ? in->xt : in->yt;
    for (i = 0u; i < MAX_OPERAND_WORDS; i++) {
        const uint64_t word = (i < (in->op >> 6)) ? words[1u + i] : 0u;
        in->c[i] = bits16(word, 0);
        in->d[i] = bits16(word, 16);
        in->e[i] = bits16(word, 32);
        in->f[i] = bits16(word, 48);
    }
    in->sx = 0;
    in->sy = 0;
    in->shift = 0;
    in->is_rounded = 0u;
    in->bits = 0u;
    if (is_vector(in->op)) {
        in->sx = signed8(in->d[0]);
        in->sy = signed8(in->d[0] >> 8);
        take_narrow(in, 0u);
    } else if (in->op == OP_SUM) {
        take_narrow(in, 0u);
    } else if (in->op == OP_MATVEC) {
        take_narrow(in, 1u);
    } else if (in->op == OP_LUT) {
        in->sx = signed8(in->f[0]);
    } else {
        /* nothing is shifted */
    }
}

static int is_shift(int32_t shift)
{
    return (shift >= -63) && (shift <= 63);
}

static int is_legal(const instruction_t *in)
{
    if (!is_shift(in->sx) || !is_shift(in->sy) || !is_shift(in->shift) || (in->bits > 63u) ||
        ((in->is_rounded != 0u) && (in->shift >= 0))) {
        return 0;
    }
    switch (in->op) {
    case OP_LOOP:
    case OP_COUNT:
        return in->n != 0u;
    case OP_SIGNAL:
        return in->b < OISA_THREADS;
    case OP_LUT:
        return signed16(in->e[0]) >= signed16(in->d[0]);
    case OP_MATVEC:
        return (in->flag != 0u) || ((in->f[0] == 0u) && (in->c[1] == 0u));
    default:
        return !is_vector(in->op) || (in->mode != MODE_NUMBER) || (in->yt == 0u);
    }
}

int oisa_decode(const uint64_t *words, instruction_t *instruction)
{
    const uint32_t op = (uint32_t)(words[0] >> 56);
    const layout_t *layout = find_layout(op);
    uint64_t extra;
    uint32_t i;

    if (layout == NULL) {
        return 0;
    }
    extra = words[0] & ~(layout->used[0] | FIELD_OP);
    for (i = 1u; i <= (op >> 6); i++) {
        extra |= words[i] & ~layout->used[i];
    }
    if (extra != 0u) {
        return 0;
    }
    instruction->op = op;
    take_fields(words, instruction);
    return is_legal(instruction);
}

int oisa_moves_words(const instruction_t *in)
{
    const uint32_t lane_mask = lanes_of(in->xt) - 1u;
    const uint32_t places = in->d[0] | in->e[0] | in->c[2] | in->d[2];

    return (in->c[0] == 1u) && (in->xt == in->zt) && (in->c[1] == 1u) && (in->d[1] == 1u) &&
           ((places & lane_mask) == 0u);
}

static void cost_of_move(const instruction_t *in, cost_t *cost)
{
    const uint64_t count =
        (oisa_moves_words(in) != 0) ? words_of(in->n, in->xt) : (uint64_t)in->n * in->c[0];

    cost->cycles = 3u + count;
    cost->events.dm_reads = count;
    cost->events.dm_writes = count;
}

static void cost_of_vector(const instruction_t *in, cost_t *cost)
{
    const uint64_t n = in->n;
    const uint64_t single = (n != 0u) ? 1u : 0u;
    uint32_t widest = in->zt;
    uint64_t reads = 0u;

    if (in->mode == MODE_SCALAR_X) {
        reads += single;
    } else {
        reads += words_of(n, in->xt);
        widest = (in->xt > widest) ? in->xt : widest;
    }
    if (in->mode == MODE_SCALAR) {
        reads += single;
    } else if (in->mode != MODE_NUMBER) {
        reads += words_of(n, in->yt);
        widest = (in->yt > widest) ? in->yt : widest;
    } else {
        /* a number is in the instruction */
    }
    if ((in->op == OP_MAC) || (in->op == OP_SELECT)) {
        reads += words_of(n, in->zt);
    }
    cost->cycles = 3u + words_of(n, widest);
    cost->events.dm_reads = reads;
    cost->events.dm_writes = words_of(n, in->zt);
    if ((in->op == OP_MUL) || (in->op == OP_MAC)) {
        cost->events.products = n;
    } else {
        cost->events.lane_ops = n;
    }
}

static void cost_of_matvec(const instruction_t *in, cost_t *cost)
{
    const uint64_t k = in->d[0];
    const uint64_t operands = words_of(k, in->xt) + in->n * words_of(k, in->yt);

    cost->cycles = 4u + operands;
    cost->events.dm_reads = operands + ((in->flag != 0u) ? words_of(in->n, in->c[1]) : 0u);
    cost->events.dm_writes = words_of(in->n, in->zt);
    cost->events.products = in->n * k;
}

static void cost_of_sum(const instruction_t *in, cost_t *cost)
{
    const uint64_t reads = in->n * words_of(in->c[0], in->xt);

    cost->cycles = 3u + reads;
    cost->events.dm_reads = reads;
    cost->events.dm_writes = words_of(in->n, in->zt);
    cost->events.lane_ops = (uint64_t)in->n * in->c[0];
}

static void cost_of_lut(const instruction_t *in, cost_t *cost)
{
    const uint64_t entries = (uint64_t)in->n * (1u + in->flag);

    cost->cycles = 3u + entries;
    cost->events.dm_reads = words_of(in->n, in->xt);
    cost->events.dm_writes = words_of(in->n, in->zt);
    cost->events.tm_reads = entries;
    cost->events.lane_ops = in->n;
}

static void cost_of_words(const instruction_t *in, cost_t *cost)
{
    const uint64_t n = in->n;

    switch (in->op) {
    case OP_RECV:
        cost->cycles = 2u + n;
        cost->events.dm_writes = n;
        cost->events.stream_words = n;
        break;
    case OP_COPY:
        cost->cycles = 2u + n;
        cost->events.dm_reads = n;
        cost->events.dm_writes = n;
        break;
    case OP_SEND:
        cost->cycles = 3u + n;
        cost->events.dm_reads = n;
        cost->events.stream_words = n + 1u;
        break;
    default: /* POST */
        cost->cycles = 3u + n;
        cost->events.dm_reads = n;
        cost->events.link_words = n + 1u;
        break;
    }
}

void oisa_cost(const instruction_t *instruction, cost_t *cost)
{
    static const oisa_events_t NONE = {0};

    cost->events = NONE;
    switch (instruction->op) {
    case OP_HALT:
    case OP_JUMP:
    case OP_LOOP:
        cost->cycles = 1u;
        break;
    case OP_JZERO:
        cost->cycles = 2u;
        cost->events.dm_reads = 1u;
        break;
    case OP_SIGNAL:
        cost->cycles = 2u;
        break;
    case OP_RECV:
    case OP_COPY:
    case OP_SEND:
    case OP_POST:
        cost_of_words(instruction, cost);
        break;
    case OP_LUT:
        cost_of_lut(instruction, cost);
        break;
    case OP_COUNT:
        cost->cycles = 6u;
        cost->events.dm_reads = 1u;
        cost->events.dm_writes = 2u;
        cost->events.lane_ops = 1u;
        break;
    case OP_SUM:
        cost_of_sum(instruction, cost);
        break;
    case OP_MATVEC:
        cost_of_matvec(instruction, cost);
        break;
    case OP_MOVE:
    case OP_MOVEL:
        cost_of_move(instruction, cost);
        break;
    default:
        cost_of_vector(instruction, cost);
        break;
    }
}
