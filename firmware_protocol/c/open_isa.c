/*
 * Threads, messages, order and time: hostrt/docs/open-isa.md, 2.3, 2.4, 3, 4 and 5.
 */
#include "open_isa_internal.h"

#define MARK_NAME_MASK (~UINT64_C(0xFF))
#define FIRST_PC 1u
#define OLDEST_VERSION 1u
#define MISSING_MASK UINT64_C(0x1F)
#define NEEDED_LOW 5u
#define THREAD_MASK (OISA_THREADS - 1u)
#define MAX_BANKS 32u

/* ---- memories ------------------------------------------------------------------------------ */

/* A word of IM; what is not powered reads as 0. */
static uint64_t read_im(const oisa_core_t *core, uint32_t at)
{
    const uint32_t bank = at / core->im.bank_words;

    return (((core->im.power >> bank) & 1u) != 0u) ? core->im.words[at] : 0u;
}

static int is_usable(const oisa_memory_t *memory, uint64_t least)
{
    return (memory->words != NULL) && (memory->n_words >= least) && (memory->bank_words != 0u) &&
           ((memory->n_words - 1u) / memory->bank_words < MAX_BANKS);
}

/* ---- set-up -------------------------------------------------------------------------------- */

static int is_sound(const oisa_setup_t *setup)
{
    uint32_t i;

    if ((setup->cores == NULL) || (setup->scratch == NULL) || (setup->links == NULL) ||
        (setup->output == NULL) || (setup->n_cores == 0u) || (setup->n_cores > OISA_MAX_CORES) ||
        (setup->link_words < OISA_LINK_POOL_WORDS(setup->n_cores))) {
        return 0;
    }
    for (i = 0u; i < setup->n_cores; i++) {
        const oisa_core_t *core = &setup->cores[i];
        if (!is_usable(&core->im, 1u) || !is_usable(&core->dm, 1u) || !is_usable(&core->tm, 1u) ||
            (core->sb == NULL) || (core->pb == NULL) || (core->rq == NULL) ||
            (setup->scratch_words < core->dm.n_words)) {
            return 0;
        }
    }
    return 1;
}

oisa_result_t oisa_init(oisa_t *chip, const oisa_setup_t *setup)
{
    if ((chip == NULL) || (setup == NULL) || !is_sound(setup)) {
        return OISA_MISUSE;
    }
    chip->cores = setup->cores;
    chip->n_cores = setup->n_cores;
    chip->output = setup->output;
    chip->user = setup->user;
    chip->scratch = setup->scratch;
    chip->links = setup->links;
    chip->max_instructions = setup->max_instructions;
    oisa_reset(chip);
    return OISA_DONE;
}

void oisa_begin_frame(oisa_t *chip)
{
    static const oisa_events_t NONE = {0};
    uint32_t i;

    for (i = 0u; i < OISA_MAX_CORES; i++) {
        chip->clock[i] = 0u;
        chip->busy[i] = 0u;
        chip->events[i] = NONE;
    }
    chip->has_sent = 0u;
    chip->is_drained = 0u;
}

void oisa_reset(oisa_t *chip)
{
    uint32_t i;

    chip->thread.is_active = 0u;
    chip->n_starts = 0u;
    chip->links_used = 0u;
    chip->fetched = 0u;
    chip->host_words = NULL;
    for (i = 0u; i < OISA_MAX_CORES; i++) {
        chip->waiting[i] = 0u;
        chip->link_waiting[i] = 0u;
    }
    oisa_begin_frame(chip);
}

/* ---- starts -------------------------------------------------------------------------------- */

/* Tells whether messages to a core have an effect. */
static int is_listening(const oisa_t *chip, uint32_t core)
{
    return (core < chip->n_cores) && (chip->cores[core].runs != 0u) &&
           ((read_im(&chip->cores[core], 0u) & MARK_NAME_MASK) == OISA_MARK_NAME);
}

static int is_at_rest(const oisa_t *chip)
{
    return (chip->thread.is_active == 0u) && (chip->n_starts == 0u);
}

/* Adds a start, for which there is room, without words of a message. */
static oisa_start_t *add_start(oisa_t *chip, uint32_t core, uint32_t pc, uint64_t arrival)
{
    oisa_start_t *start = &chip->starts[chip->n_starts];

    start->arrival = arrival;
    start->core = core;
    start->pc = pc;
    start->first = 0u;
    start->n_words = 0u;
    start->is_link = 0u;
    chip->n_starts++;
    chip->waiting[core]++;
    return start;
}

static uint64_t begin_of(const oisa_t *chip, const oisa_start_t *start)
{
    const uint64_t clock = chip->clock[start->core];

    return (clock > start->arrival) ? clock : start->arrival;
}

/* Index of the start that is next: earliest, then lowest core, then asked for first. */
static uint32_t find_next(const oisa_t *chip)
{
    uint32_t best = 0u;
    uint32_t i;

    for (i = 1u; i < chip->n_starts; i++) {
        const uint64_t begin = begin_of(chip, &chip->starts[i]);
        const uint64_t best_begin = begin_of(chip, &chip->starts[best]);
        if ((begin < best_begin) ||
            ((begin == best_begin) && (chip->starts[i].core < chip->starts[best].core))) {
            best = i;
        }
    }
    return best;
}

/* Gives back the room of the message of the thread that ended; later ones move up. */
static void free_link(oisa_t *chip, const oisa_start_t *start)
{
    const uint32_t end = start->first + start->n_words;
    uint32_t i;

    if (start->is_link == 0u) {
        return;
    }
    (void)memmove(&chip->links[start->first], &chip->links[end],
                  (size_t)(chip->links_used - end) * sizeof *chip->links);
    chip->links_used -= start->n_words;
    for (i = 0u; i < chip->n_starts; i++) {
        if ((chip->starts[i].is_link != 0u) && (chip->starts[i].first >= end)) {
            chip->starts[i].first -= start->n_words;
        }
    }
}

static void end_thread(oisa_t *chip)
{
    oisa_thread_t *thread = &chip->thread;

    thread->is_active = 0u;
    chip->clock[thread->start.core] = thread->begin + thread->cycles;
    chip->busy[thread->start.core] += thread->cycles;
    free_link(chip, &thread->start);
}

static void send(oisa_t *chip, uint64_t header, const uint64_t *words, size_t n_words)
{
    chip->has_sent = 1u;
    chip->is_drained = 0u;
    chip->output(chip->user, header, words, n_words);
}

static void stop_thread(oisa_t *chip, oisa_status_t status)
{
    const uint64_t place = ((uint64_t)chip->thread.start.core << 32) | chip->thread.pc;

    send(chip, (uint64_t)status, &place, 1u);
    end_thread(chip);
}

/* Starts the thread that is next. */
static void start_thread(oisa_t *chip)
{
    const uint32_t at = find_next(chip);
    oisa_thread_t *thread = &chip->thread;
    uint32_t version;
    uint32_t i;

    thread->start = chip->starts[at];
    chip->n_starts--;
    (void)memmove(&chip->starts[at], &chip->starts[at + 1u],
                  (size_t)(chip->n_starts - at) * sizeof chip->starts[0]);
    chip->waiting[thread->start.core]--;
    if (thread->start.is_link != 0u) {
        chip->link_waiting[thread->start.core] -= thread->start.n_words;
    }
    thread->begin = begin_of(chip, &thread->start);
    thread->cycles = OISA_START_CYCLES;
    thread->is_active = 1u;
    thread->pc = thread->start.pc;
    thread->taken = 0u;
    for (i = 0u; i < OISA_LOOP_REGISTERS; i++) {
        thread->loops[i] = 0u;
    }
    version = (uint32_t)(read_im(&chip->cores[thread->start.core], 0u) & 0xFFu);
    if ((version < OLDEST_VERSION) || (version > OISA_VERSION)) {
        stop_thread(chip, OISA_WRONG_VERSION);
    }
}

/* ---- messages ------------------------------------------------------------------------------ */

static oisa_status_t do_recv(oisa_t *chip, const oisa_core_t *core, const instruction_t *in)
{
    oisa_thread_t *thread = &chip->thread;
    const uint64_t *message;
    oisa_status_t status;

    if (in->n > thread->start.n_words - thread->taken) {
        return OISA_BAD_MESSAGE;
    }
    status = oisa_check(&core->dm, in->a, in->n);
    if ((status == OISA_OK) && (in->n != 0u)) {
        message = (thread->start.is_link != 0u) ? &chip->links[thread->start.first]
                                                : chip->host_words;
        (void)memcpy(&core->dm.words[in->a], &message[thread->taken], in->n * sizeof *message);
        thread->taken += in->n;
    }
    return status;
}

static oisa_status_t do_send(oisa_t *chip, const oisa_core_t *core, const instruction_t *in)
{
    const oisa_status_t status = oisa_check(&core->dm, in->a, in->n);

    if (status == OISA_OK) {
        const uint64_t header = ((uint64_t)in->b << 32) | (uint64_t)OISA_OK;
        send(chip, header, &core->dm.words[in->a], in->n);
    }
    return status;
}

static oisa_status_t do_post(oisa_t *chip, const oisa_core_t *core, const instruction_t *in)
{
    const oisa_thread_t *thread = &chip->thread;
    const uint32_t target = in->c[0];
    const oisa_status_t status = oisa_check(&core->dm, in->a, in->n);
    oisa_start_t *start;

    if ((status != OISA_OK) || !is_listening(chip, target)) {
        return status;
    }
    if ((chip->waiting[target] >= OISA_QUEUE_LENGTH) ||
        (in->n > OISA_LINK_WORDS - chip->link_waiting[target])) {
        return OISA_QUEUE_FULL;
    }
    start = add_start(chip, target, in->b, thread->begin + thread->cycles + OISA_LINK_CYCLES);
    start->is_link = 1u;
    start->first = chip->links_used;
    start->n_words = in->n;
    (void)memcpy(&chip->links[start->first], &core->dm.words[in->a], in->n * sizeof *chip->links);
    chip->links_used += in->n;
    chip->link_waiting[target] += in->n;
    return OISA_OK;
}

static oisa_status_t do_copy(const oisa_core_t *core, const instruction_t *in)
{
    oisa_status_t status = oisa_check(&core->dm, in->a, in->n);

    if (status == OISA_OK) {
        status = oisa_check(&core->dm, in->b, in->n);
    }
    if (status == OISA_OK) {
        (void)memmove(&core->dm.words[in->b], &core->dm.words[in->a],
                      in->n * sizeof *core->dm.words);
    }
    return status;
}

/* ---- control ------------------------------------------------------------------------------- */

static oisa_status_t do_signal(oisa_t *chip, const oisa_core_t *core, const instruction_t *in)
{
    const oisa_thread_t *thread = &chip->thread;
    uint64_t *score = &core->sb[in->b];
    const uint64_t missing = *score & MISSING_MASK;
    const uint64_t needed = (*score >> NEEDED_LOW) & MISSING_MASK;

    if (missing >= 2u) {
        *score -= 1u;
        return OISA_OK;
    }
    if (chip->waiting[thread->start.core] >= OISA_QUEUE_LENGTH) {
        return OISA_QUEUE_FULL;
    }
    (void)add_start(chip, thread->start.core, (uint32_t)(core->pb[in->b] & UINT32_MAX),
                    thread->begin + thread->cycles);
    *score = (*score & ~MISSING_MASK) | needed;
    return OISA_OK;
}

static oisa_status_t do_jzero(const oisa_core_t *core, const instruction_t *in, uint32_t *next)
{
    const oisa_status_t status = oisa_check(&core->dm, in->a, 1u);
    uint64_t value;

    if (status == OISA_OK) {
        oisa_load(&core->dm.words[in->a], in->xt, 0, 1, 1u, &value);
        *next = (value == 0u) ? in->b : *next;
    }
    return status;
}

static void do_loop(oisa_thread_t *thread, const instruction_t *in, uint32_t *next)
{
    uint32_t *count = &thread->loops[in->reg];

    *count += 1u;
    if (*count < in->n) {
        *next = in->b;
    } else {
        *count = 0u;
    }
}

/* ---- one instruction ----------------------------------------------------------------------- */

/* Executes an instruction whose cycles have passed. `next` is the pc after it. */
static oisa_status_t execute(oisa_t *chip, const instruction_t *in, uint32_t *next)
{
    oisa_thread_t *thread = &chip->thread;
    const oisa_core_t *core = &chip->cores[thread->start.core];

    switch (in->op) {
    case OP_HALT:
        return (thread->taken < thread->start.n_words) ? OISA_BAD_MESSAGE : OISA_OK;
    case OP_JUMP:
        *next = in->b;
        return OISA_OK;
    case OP_JZERO:
        return do_jzero(core, in, next);
    case OP_LOOP:
        do_loop(thread, in, next);
        return OISA_OK;
    case OP_SIGNAL:
        return do_signal(chip, core, in);
    case OP_RECV:
        return do_recv(chip, core, in);
    case OP_SEND:
        return do_send(chip, core, in);
    case OP_POST:
        return do_post(chip, core, in);
    case OP_COPY:
        return do_copy(core, in);
    case OP_LUT:
        return oisa_lut(chip, core, in);
    case OP_COUNT:
        return oisa_count(core, in);
    case OP_SUM:
        return oisa_sum(chip, core, in);
    case OP_MATVEC:
        return oisa_matvec(chip, core, in);
    case OP_MOVE:
        return oisa_move(chip, core, in, 0u);
    case OP_MOVEL:
        return oisa_move(chip, core, in, thread->loops[in->reg]);
    default:
        return oisa_vector(chip, core, in);
    }
}

/* Reads the instruction at pc; 0 words when it, or one of its operand words, is outside IM. */
static uint32_t fetch(const oisa_core_t *core, uint32_t pc, uint64_t *words)
{
    uint32_t n_words;
    uint32_t i;

    if ((pc < FIRST_PC) || (pc >= core->im.n_words)) {
        return 0u;
    }
    words[0] = read_im(core, pc);
    n_words = 1u + (uint32_t)(words[0] >> 62);
    if (n_words > core->im.n_words - pc) {
        return 0u;
    }
    for (i = 1u; i < n_words; i++) {
        words[i] = read_im(core, pc + i);
    }
    return n_words;
}

static void add_events(oisa_events_t *sum, const oisa_events_t *more)
{
    sum->dm_reads += more->dm_reads;
    sum->dm_writes += more->dm_writes;
    sum->tm_reads += more->tm_reads;
    sum->products += more->products;
    sum->lane_ops += more->lane_ops;
    sum->stream_words += more->stream_words;
    sum->link_words += more->link_words;
}

static void step(oisa_t *chip)
{
    oisa_thread_t *thread = &chip->thread;
    oisa_events_t *events = &chip->events[thread->start.core];
    uint64_t words[1u + MAX_OPERAND_WORDS];
    instruction_t instruction;
    oisa_status_t status;
    cost_t cost;
    uint32_t n_words;
    uint32_t next;

    if (chip->fetched >= chip->max_instructions) {
        stop_thread(chip, OISA_RUNAWAY);
        return;
    }
    n_words = fetch(&chip->cores[thread->start.core], thread->pc, words);
    if (n_words == 0u) {
        stop_thread(chip, OISA_BAD_ADDRESS);
        return;
    }
    chip->fetched++;
    events->im_reads += n_words;
    if (!oisa_decode(words, &instruction)) {
        stop_thread(chip, OISA_ILLEGAL_INSTRUCTION);
        return;
    }
    oisa_cost(&instruction, &cost);
    thread->cycles += cost.cycles;
    next = thread->pc + n_words;
    status = execute(chip, &instruction, &next);
    if (status != OISA_OK) {
        stop_thread(chip, status);
        return;
    }
    add_events(events, &cost.events);
    thread->pc = next;
    if (instruction.op == OP_HALT) {
        end_thread(chip);
    }
}

/* ---- what the caller asks for -------------------------------------------------------------- */

oisa_result_t oisa_message(oisa_t *chip, const uint64_t *words, size_t n_words)
{
    uint32_t core;
    oisa_start_t *start;

    if (!is_at_rest(chip)) {
        return OISA_BUSY;
    }
    if ((n_words == 0u) || (n_words - 1u > UINT32_MAX)) {
        return OISA_LOST;
    }
    core = (uint32_t)(words[0] & UINT32_MAX);
    if (!is_listening(chip, core)) {
        return OISA_LOST;
    }
    if ((chip->has_sent != 0u) && (chip->is_drained != 0u)) {
        oisa_begin_frame(chip);
    }
    chip->fetched = 0u;
    chip->host_words = &words[1];
    start = add_start(chip, core, (uint32_t)(words[0] >> 32), 0u);
    start->n_words = (uint32_t)(n_words - 1u);
    return OISA_DONE;
}

oisa_result_t oisa_wake(oisa_t *chip, uint32_t core, uint32_t head_tail)
{
    const uint32_t n = (head_tail < OISA_THREADS) ? head_tail : OISA_THREADS;
    uint32_t i;

    if (!is_at_rest(chip)) {
        return OISA_BUSY;
    }
    if (!is_listening(chip, core)) {
        return OISA_LOST;
    }
    chip->fetched = 0u;
    for (i = 0u; i < n; i++) {
        const uint32_t thread = (uint32_t)(chip->cores[core].rq[i] & THREAD_MASK);
        (void)add_start(chip, core, (uint32_t)(chip->cores[core].pb[thread] & UINT32_MAX), 0u);
    }
    return OISA_DONE;
}

oisa_progress_t oisa_run(oisa_t *chip, uint32_t max_instructions)
{
    uint32_t left = max_instructions;

    while (!is_at_rest(chip)) {
        if (chip->thread.is_active == 0u) {
            start_thread(chip);
        } else if (left != 0u) {
            step(chip);
            left--;
        } else {
            return OISA_MORE;
        }
    }
    return OISA_REST;
}

void oisa_drained(oisa_t *chip)
{
    chip->is_drained = chip->has_sent;
}

/* ---- figures ------------------------------------------------------------------------------- */

uint64_t oisa_frame_cycles(const oisa_t *chip)
{
    uint64_t latest = 0u;
    uint32_t i;

    for (i = 0u; i < chip->n_cores; i++) {
        latest = (chip->clock[i] > latest) ? chip->clock[i] : latest;
    }
    return latest;
}

uint64_t oisa_clock(const oisa_t *chip, uint32_t core)
{
    return (core < chip->n_cores) ? chip->clock[core] : 0u;
}

uint64_t oisa_busy_cycles(const oisa_t *chip, uint32_t core)
{
    return (core < chip->n_cores) ? chip->busy[core] : 0u;
}

const oisa_events_t *oisa_events(const oisa_t *chip, uint32_t core)
{
    return (core < chip->n_cores) ? &chip->events[core] : NULL;
}

uint64_t oisa_execution_us(uint64_t cycles, uint64_t hz_n, uint64_t hz_d)
{
    const uint64_t scale = hz_d * UINT64_C(1000000);
    const uint64_t product = (cycles % hz_n) * scale;
    const uint64_t rest = product % hz_n;
    uint64_t us = (cycles / hz_n) * scale + product / hz_n;

    if ((rest > hz_n - rest) || ((rest == hz_n - rest) && ((us & 1u) != 0u))) {
        us++;
    }
    return (us == 0u) ? 1u : us;
}

size_t oisa_size(void)
{
    return sizeof(oisa_t);
}
