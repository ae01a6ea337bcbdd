/*
 * MOVE and MOVEL: hostrt/docs/open-isa.md, 2.5.
 */
#include "open_isa_internal.h"

/* The elements of one side: element start + o * outer_step + i * step of the vector at `base`. */
typedef struct {
    uint32_t base;
    uint32_t type;
    int64_t start;
    int32_t outer_step;
    int32_t step;
    uint64_t first; /* word in DM of the lowest element */
    uint64_t n_words; /* up to that of the highest */
} side_t;

/* Sets first and n_words. */
static oisa_status_t measure(side_t *side, const oisa_core_t *core, uint32_t n, uint32_t outer)
{
    const int64_t across = (int64_t)(outer - 1u) * side->outer_step;
    const int64_t along = (int64_t)(n - 1u) * side->step;
    const int64_t lowest = side->start + ((across < 0) ? across : 0) + ((along < 0) ? along : 0);
    const int64_t highest = side->start + ((across > 0) ? across : 0) + ((along > 0) ? along : 0);

    if (lowest < 0) {
        return OISA_BAD_ADDRESS;
    }
    side->first = side->base + ((uint64_t)lowest >> (3u - side->type));
    side->n_words = side->base + ((uint64_t)highest >> (3u - side->type)) + 1u - side->first;
    return oisa_check(&core->dm, side->first, side->n_words);
}

/* Neighbours of one type that begin at the start of a word on both sides. */
static void move_words(const side_t *x, const side_t *z, const oisa_core_t *core, uint32_t n)
{
    const uint32_t lanes = lanes_of(x->type);
    const uint64_t *from = &core->dm.words[x->first];
    uint64_t *to = &core->dm.words[z->first];
    const size_t whole = n / lanes;
    const uint32_t rest = n % lanes;
    uint64_t last = 0u;
    uint64_t kept = 0u;

    if (rest != 0u) {
        kept = UINT64_MAX << (rest * (8u << x->type));
        last = from[whole];
    }
    (void)memmove(to, from, whole * sizeof *to);
    if (rest != 0u) {
        to[whole] = (to[whole] & kept) | (last & ~kept);
    }
}

/* One element after the other; `to` is where the word of z->first is written. */
static void move_elements(const side_t *x, const side_t *z, const oisa_core_t *core,
                          const instruction_t *in, uint64_t *to)
{
    const uint64_t *from = &core->dm.words[x->base];
    /* the vector at z->base may begin before z->first: elements are counted from z->first */
    const int64_t skipped = (int64_t)((z->first - z->base) << (3u - z->type));
    int64_t x_row = x->start;
    int64_t z_row = z->start - skipped;
    uint64_t values[CHUNK];
    uint32_t o;

    for (o = 0u; o < in->c[0]; o++) {
        uint32_t done;
        for (done = 0u; done < in->n; done += CHUNK) {
            const uint32_t count = ((in->n - done) < CHUNK) ? (in->n - done) : CHUNK;
            oisa_load(from, x->type, x_row + (int64_t)done * x->step, x->step, count, values);
            oisa_store(to, z->type, z_row + (int64_t)done * z->step, z->step, count, values);
        }
        x_row += x->outer_step;
        z_row += z->outer_step;
    }
}

oisa_status_t oisa_move(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction,
                        uint32_t loop)
{
    const instruction_t *in = instruction;
    side_t x = {in->a, in->xt, 0, signed16(in->e[1]), signed16(in->c[1]), 0u, 0u};
    side_t z = {in->b, in->zt, 0, signed16(in->f[1]), signed16(in->d[1]), 0u, 0u};
    const int is_one_chunk = (in->c[0] == 1u) && (in->n <= CHUNK);
    oisa_status_t status;

    if ((in->n == 0u) || (in->c[0] == 0u)) {
        return OISA_OK;
    }
    x.start = (int64_t)in->d[0] + (int64_t)loop * signed16(in->c[2]);
    z.start = (int64_t)in->e[0] + (int64_t)loop * signed16(in->d[2]);
    status = measure(&x, core, in->n, in->c[0]);
    if (status == OISA_OK) {
        status = measure(&z, core, in->n, in->c[0]);
    }
    if (status != OISA_OK) {
        return status;
    }
    if (oisa_moves_words(in) != 0) {
        move_words(&x, &z, core, in->n);
    } else if (is_one_chunk || (x.first >= z.first + z.n_words) || (z.first >= x.first + x.n_words)) {
        move_elements(&x, &z, core, in, &core->dm.words[z.first]);
    } else {
        const size_t n_bytes = (size_t)z.n_words * sizeof(uint64_t);
        (void)memcpy(chip->scratch, &core->dm.words[z.first], n_bytes);
        move_elements(&x, &z, core, in, chip->scratch);
        (void)memcpy(&core->dm.words[z.first], chip->scratch, n_bytes);
    }
    return OISA_OK;
}
