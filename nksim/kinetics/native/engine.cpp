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
};

enum DrugRow {
    CY_CL, CY_V, CY_DAY2, CY_DAY3, F_RATE, F_PART = F_RATE + 3, F_PER_MG = F_PART + 3, IL2_LAG, KA, KE, KE2, IL2_PER_IU,
    DRUG_ROWS
};

// As in stepping.py and timeline.py, where the reasons stand.
static const double FLOOR = 1e-100, FIRST_STEP = 0.03, FIRST_STEP_OF_CELLS = 1e-4, LONGEST_STEP = 1.0;
static const double SHORTEST_STEP = 1e-12, EARLY = 0.25, COURSE = 28.0, SPLIT = 0.1, NEAR = 1e-2, NOT_YET_AT_REST = 1e-4, RUN_DRY = 1e-7;
static const int64_t MOST_STEPS = 100000;
static const double SAFETY = 0.95, BY_NOW = 0.2, BY_PAST = 0.04, STRETCH = 1.05;
// What is left of a drug is taken for nothing below these: mg/L of Cy and F-ara-A, and effective IL-2 in IU/mL.
static const double NO_DRUG = 1e-9, NO_IL2 = 3e-7;

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
#ifdef NKSIM_X86
    if (variant == 3) return avx512::solve(*p);
    if (variant == 2) return avx2::solve(*p);
    if (variant == 1) return narrow::solve(*p);
#endif
    (void)variant;
    return baseline::solve(*p);
}

// exp and log of n values by the engine's own functions, for tests.
void nksim_functions(int variant, int64_t n, const double *x, double *e, double *l) {
#ifdef NKSIM_X86
    if (variant == 3) return avx512::functions(n, x, e, l);
    if (variant == 2) return avx2::functions(n, x, e, l);
    if (variant == 1) return narrow::functions(n, x, e, l);
#endif
    (void)variant;
    baseline::functions(n, x, e, l);
}

// Adds values (n, times), `stride` from patient to patient, to histograms by time: see nksim/scale/tally.py. Values at
// or above 2^(lowest + octaves) are counted in `over` alone, those below 2^lowest in `under`.
void nksim_tally(const double *values, int64_t n, int64_t times, int64_t stride, int64_t lowest, int64_t octaves,
                 uint32_t *counts, int64_t *sums, int64_t *under, int64_t *over) {
    // Patients by times are turned to times by patients in small blocks, so that one time's bins stay at hand. Two
    // sums in turn, so that the processor need not wait for the one before when it is of the same octave.
    enum { TIMES = 8, PATIENTS = 256, MOST_OCTAVES = 128 };
    uint64_t block[TIMES][PATIENTS];
    int64_t part[2][MOST_OCTAVES];
    const uint64_t first_octave = uint64_t(1023 + lowest);
    for (int64_t from = 0; from < times; from += TIMES) {
        const int64_t wide = from + TIMES < times ? int64_t(TIMES) : times - from;
        for (int64_t first = 0; first < n; first += PATIENTS) {
            const int64_t tall = first + PATIENTS < n ? int64_t(PATIENTS) : n - first;
            for (int64_t i = 0; i < tall; i++)
                for (int64_t t = 0; t < wide; t++)
                    std::memcpy(&block[t][i], values + (first + i) * stride + from + t, sizeof block[t][i]);
            for (int64_t t = 0; t < wide; t++) {
                uint32_t *const count = counts + (from + t) * octaves * 128;
                int64_t none = 0, beyond = 0;
                std::memset(part, 0, sizeof part);
                for (int64_t i = 0; i < tall; i++) {
                    const uint64_t bits = block[t][i], octave = uint64_t(int64_t(bits) >> 52) - first_octave;
                    if (octave < uint64_t(octaves)) {
                        count[(bits >> 45) - first_octave * 128]++;
                        part[i & 1][octave] += int64_t(((bits & 0xfffffffffffffULL) | 0x10000000000000ULL) >> 20);
                    } else if (int64_t(octave) < 0)
                        none++;
                    else
                        beyond++;
                }
                int64_t *const sum = sums + (from + t) * octaves;
                for (int64_t o = 0; o < octaves; o++)
                    if (part[0][o] | part[1][o]) sum[o] += part[0][o] + part[1][o];
                under[from + t] += none;
                over[from + t] += beyond;
            }
        }
    }
}

int nksim_problem_size() { return int(sizeof(Problem)); }
}
