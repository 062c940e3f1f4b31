// The native engine: Tsit5 on the cell equations with patients in vector lanes, drugs in closed form.
//
// The algorithm is that of nksim/kinetics/{timeline,drugs,inputs,levels,stepping}.py, one patient per lane: each lane
// has its own time, step and segment, and a lane whose patient has finished takes the next one. Lanes never mix, no
// operation is contracted or reordered by the compiler (-ffp-contract=off, no -ffast-math) and exponentials and
// logarithms are our own, so that a patient's numbers are the same bits in any lane, order and thread. All variants but
// the plain one fuse the same products with the same sums: they give the same bits as one another.
//
// The variants of the instruction sets are one text, `lanes.inc`, compiled with other lane counts.

#include <cstdint>
#include <cstdlib>
#include <cstring>

enum Target { CY, FLU, IL2, CELLS, TARGETS };

struct Reading;

// One call. Arrays are row-major; `n` is the number of patients. Layout mirrored in nksim/kinetics/native.py.
struct Problem {
    int64_t n, keys, times, slots_wanted, width;
    const double *key_time, *key_duration;  // (keys), sorted by time
    const int64_t *key_target;              // (keys)
    const double *amount;                   // (keys, n)
    const double *drugs;                    // (DRUG_ROWS, n)
    const double *held;                     // (HELD, n)
    const double *initial, *jumps;          // (STATES, n)
    const double *time;                     // (times), ascending
    const int64_t *place;                   // (times): the column of each time in the records
    double end;                             // last time, or -infinity
    double rtol;
    const int64_t *slot;                    // (slots_wanted): state, STATES + output, or STATES + OUTPUTS + drug
    double *const *record;                  // (slots_wanted) arrays (n, width)
    double *areas;                          // (2, n): under Cy and F-ara-A, mg d/L
    int64_t *taken, *refused;               // (n)
    int64_t *next;                          // first patient not yet taken by any thread
    int64_t *failed;                        // lowest patient that could not be solved, n if none
    double *failed_at;                      // day at which it was left
    // Where it is given, curves are read off as soon as they are there and their rows given to the next patient: the
    // records are arrays (rows, width) then, and there is one thread.
    const Reading *reading;
    int64_t rows;  // at least three for each lane, or one for each patient
};

// Counts (n, times) of patients, `stride` apart, and what is read off them; see curves.inc.
struct Profiles {
    int64_t n, times, stride, upto, after;  // intervals of the first area; first point of the half-life
    double limit;                           // what can still be counted
    const double *time, *counts;
    double *to_day, *to_last, *last_value, *half_life;  // (n)
};

struct Extinction {
    int64_t n, times, stride, infusions;
    double below;
    const double *time;
    const int64_t *first, *end;                      // (infusions): points that follow each
    const double *uniform;                           // (infusions, n)
    const double *scale, *dD, *kr0, *krS, *T0;       // (n): cells for each cell/uL, and what they die of
    const double *host, *S;                          // (n, times)
    double *donor, *alc, *chimerism;                 // (n, times), changed in place
};

struct Above {
    int64_t n, times, stride;
    double threshold;
    const double *time, *values;
    double *out;  // (n)
};

struct Last {
    int64_t n, times, stride;
    double limit;
    const double *values;
    int64_t *out;  // (n)
};

// Bins of values on their way into a tally, see curves.inc; arrays of times are padded to whole blocks.
struct Bins {
    int64_t n, times, padded, first_bin;
    double lowest_value, highest_value;
    uint16_t *bin;            // (blocks, n, times of a block)
    int64_t *high, *low;      // (padded): sums in units of 2^-7 and of 2^-46
    int64_t *over;            // (padded): how many are too large
};

// What is read off a patient's curves, see reading.inc.
struct Reading {
    int64_t times, zero, upto, after, need, runs, days, ends, series;
    double lod, loq, between, counted, recovered;
    const Extinction *extinction;                // without its curves
    const int64_t *run_first, *run_end;          // (runs) of points at which cells have settled
    const int64_t *day_at;                       // (days) first point not before each
    const double *day_part;                      // (days) of the way to it from the point before
    const int64_t *end_at;                       // (ends) columns of the records at which infusions end
    const int64_t *donor_host_alc_il15_S;        // (5) which record is which, -1 for none
    const int64_t *source;                       // (series) the record to be tallied, or CHIMERISM or ASSAY
    double *out;                                 // (READINGS, n)
    Bins *bins;                                  // (series)
};

struct Tally {
    int64_t n, times, stride, octaves, first_bin;
    double lowest_value, highest_value;
    const double *values;    // (n, times)
    uint32_t *counts;        // (octaves, times, 128)
    int64_t *sums;           // (times, 2): in units of 2^-7 and of 2^-46
    int64_t *range;          // (times, 2): lowest and highest bin that was filled
    int64_t *under, *over;   // (times)
};

enum DrugRow {
    CY_CL, CY_V, CY_DAY2, CY_DAY3, F_RATE, F_PART = F_RATE + 3, F_PER_MG = F_PART + 3, IL2_LAG, KA, KE, KE2, IL2_PER_IU,
    DRUG_ROWS
};

// As in stepping.py and timeline.py, where the reasons stand.
static const double FLOOR = 1e-100, FIRST_STEP = 0.03, FIRST_STEP_OF_CELLS = 1e-4, LONGEST_STEP = 1.0;
static const double SHORTEST_STEP = 1e-12, EARLY = 0.25, COURSE = 28.0, SPLIT = 0.1, NEAR = 1e-2, NOT_YET_AT_REST = 40.0, RUN_DRY = 0.04;
static const int64_t MOST_STEPS = 100000;
static const double SAFETY = 0.95, BY_NOW = 0.2, BY_PAST = 0.04, STRETCH = 1.05;
// What is left of a drug is taken for nothing below these: mg/L of Cy and F-ara-A, and effective IL-2 in IU/mL.
static const double NO_DRUG = 1e-9, NO_IL2 = 3e-7;
// As in levels.py.
static const double NONE_BELOW = 1e-12;

#if defined(__x86_64__) && defined(__GNUC__)
#define NKSIM_X86 1
#include <immintrin.h>
#endif

namespace baseline {
#define LANES 4
#include "lanes.inc"
#undef LANES
}

#ifdef NKSIM_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FUSED
namespace narrow {
#define LANES 4
#include "lanes.inc"
#undef LANES
}
namespace avx2 {
#define LANES 8
#include "lanes.inc"
#undef LANES
}
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("fma,avx512f,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("fma,avx512f,avx512dq,avx512vl")
#endif
namespace avx512 {
#define LANES 16
#include "lanes.inc"
#undef LANES
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#ifdef NKSIM_X86
#define WIDEST(VARIANT, CALL)                  \
    if ((VARIANT) == 3) return avx512::CALL;   \
    if ((VARIANT) == 2) return avx2::CALL;     \
    if ((VARIANT) == 1) return narrow::CALL;   \
    return baseline::CALL
#else
#define WIDEST(VARIANT, CALL) \
    (void)(VARIANT);          \
    return baseline::CALL
#endif

extern "C" {

// The widest variant that this processor runs: 0 baseline, 1 AVX2 for few patients, 2 AVX2, 3 AVX-512.
int nksim_widest() {
#ifdef NKSIM_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return 3;
    return 2;
#endif
    return 0;
}

// Whether the variants in use here fuse products and sums.
int nksim_fused() {
    return nksim_widest() > 0;
}

// Solves patients until none is left, beside any number of other threads with the same problem. 0, or 1 without memory.
int nksim_solve(const Problem *p, int variant) {
    WIDEST(variant, solve(*p));
}

// exp and log of n values by the engine's own functions, for tests.
int nksim_functions(int variant, int64_t n, const double *x, double *e, double *l) {
    WIDEST(variant, functions(n, x, e, l));
}

// What is read off curves, see curves.inc. 0, or 1 without memory.
int nksim_profiles(const Profiles *p, int variant) {
    WIDEST(variant, profiles(*p));
}

int nksim_extinct(const Extinction *p, int variant) {
    WIDEST(variant, extinct(*p));
}

int nksim_time_above(const Above *p, int variant) {
    WIDEST(variant, time_above(*p));
}

int nksim_last_index(const Last *p, int variant) {
    WIDEST(variant, last_index(*p));
}

int nksim_tally(const Tally *p, int variant) {
    WIDEST(variant, tally(*p));
}

// The same of values whose bins have been found.
int nksim_count(const Tally *p, const Bins *bins, int variant) {
    WIDEST(variant, count(*p, *bins));
}

// Sizes of the structures, for the other side to compare.
int nksim_size(int which) {
    const size_t sizes[] = {sizeof(Problem), sizeof(Profiles), sizeof(Extinction), sizeof(Above), sizeof(Last), sizeof(Tally), sizeof(Bins), sizeof(Reading)};
    return int(sizes[which]);
}
}
