/* The limit: one step of persistent contrastive divergence in one pass, everything in registers.

       r = 1 / (1 + exp(theta - d (x - m))),   x' = (1-h) x + h a + h d r + sqrt(2h) g,
       theta' = theta + eta (mean r - qstar)

   A turn of the loop moves 32 walkers: two draws of xoshiro256+ (eight 64-bit lanes each) give 16
   radii and 16 angles, Box-Muller makes 32 normals of them.  Every transcendental function is a
   short polynomial around an entry of a table that lives in one or two registers:

       log u     16 entries on the leading mantissa bits; the last is exact, so that u -> 1 is too
       sin, cos  32 entries on five bits of the angle, then the addition theorem
       2^t       32 (float32) or 16 (float64) entries on the leading bits of the fraction of t

   sqrt and 1/D are 14-bit estimates and Newton steps.  Relative errors: about 1e-7 in the normals
   and in float32, 3e-13 in float64.  The low bits of xoshiro256+ are its weak ones: they choose
   the entry of the angle's table, which is good enough here and would not be for a product. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define TURN 32   /* walkers moved by one turn of the loop */
#define RUN 1024  /* walkers between two flushes of r into float64 sums */
#define LN2 0.6931471805599453
#define LOG2E 1.4426950408889634
#define S32(c) _mm512_set1_ps((float)(c))
#define S64(c) _mm512_set1_pd(c)

typedef struct { double a, b, h, eta, qstar; } Model;
typedef struct { __m512i s0, s1, s2, s3; } Rng;
typedef struct { __m512 rc, log; __m512 sin[2], cos[2], exp[2]; __m512d exp64[2]; } Tables;
typedef struct { __m512 kw, kc, keep, push, jump; } Drift32;
typedef struct { __m512d kw, kc, keep, push, jump; } Drift64;

/* ------------------------------------------------------------------ tables and random bits */
static Tables make_tables(double noise) {
    float rc[16], lg[16], sn[32], cs[32], e32[32];
    double e64[16];
    for (int i = 0; i < 16; i++) {
        rc[i] = (float)(i < 15 ? 1 / (1 + (i + 0.5) / 16) : 0.5);
        lg[i] = (float)(2 * log((double)rc[i]));
        e64[i] = exp2(i / 16.0);
    }
    for (int i = 0; i < 32; i++) { /* half the noise scale: the square root comes out doubled */
        sn[i] = (float)(0.5 * noise * sin(2 * M_PI * i / 32));
        cs[i] = (float)(0.5 * noise * cos(2 * M_PI * i / 32));
        e32[i] = (float)exp2(i / 32.0);
    }
    Tables t;
    t.rc = _mm512_loadu_ps(rc);
    t.log = _mm512_loadu_ps(lg);
    for (int k = 0; k < 2; k++) {
        t.sin[k] = _mm512_loadu_ps(sn + 16 * k);
        t.cos[k] = _mm512_loadu_ps(cs + 16 * k);
        t.exp[k] = _mm512_loadu_ps(e32 + 16 * k);
        t.exp64[k] = _mm512_loadu_pd(e64 + 8 * k);
    }
    return t;
}

/* 32 words of state from one seed, by SplitMix64. */
void seed_lanes(uint64_t *state, uint64_t seed) {
    for (int i = 0; i < 32; i++) {
        uint64_t z = (seed += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        state[i] = z ^ (z >> 31);
    }
}

INLINE __m512i xor3(__m512i a, __m512i b, __m512i c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

INLINE __m512i draw(Rng *g) {
    __m512i out = _mm512_add_epi64(g->s0, g->s3), t = _mm512_slli_epi64(g->s1, 17);
    __m512i s3 = _mm512_rol_epi64(_mm512_xor_si512(g->s3, g->s1), 45);
    __m512i s1 = xor3(g->s1, g->s2, g->s0), s0 = xor3(g->s0, g->s3, g->s1);
    g->s2 = xor3(g->s2, g->s0, t);
    g->s0 = s0;
    g->s1 = s1;
    g->s3 = s3;
    return out;
}

/* ------------------------------------------------------------------ normals */
/* 2 sqrt(-2 log u) for u = w 2^-32 + 2^-33, rounded down, so that u < 1. */
INLINE __m512 radius(__m512i w, const Tables *t) {
    __m512 u = _mm512_cvt_roundepu32_ps(w, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    u = _mm512_fmadd_round_ps(u, S32(0x1p-32), S32(0x1p-33), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    __m512 e = _mm512_getexp_ps(u), m = _mm512_getmant_ps(u, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
    __m512i i = _mm512_srli_epi32(_mm512_castps_si512(u), 19);
    __m512 f = _mm512_fmsub_ps(m, _mm512_permutexvar_ps(i, t->rc), S32(1));
    __m512 p = _mm512_fmadd_ps(f, S32(2 * 0.25012213740703954), S32(-2 * 0.33347989438655856));
    p = _mm512_fmadd_ps(f, _mm512_fmadd_ps(f, p, S32(1)), S32(-2));
    __m512 base = _mm512_fmadd_ps(e, S32(-2 * LN2), _mm512_permutexvar_ps(i, t->log));
    __m512 s = _mm512_fmadd_ps(f, p, base), y = _mm512_rsqrt14_ps(s), q = _mm512_mul_ps(s, y);
    return _mm512_mul_ps(q, _mm512_fnmadd_ps(q, y, S32(3)));
}

/* noise/2 sin and cos of an angle: low five bits choose the entry, all bits the rest. */
INLINE void sine_cosine(__m512i v, const Tables *t, __m512 *s, __m512 *c) {
    __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(v), S32(M_PI / 32 * 0x1p-31));
    __m512 z = _mm512_mul_ps(y, y);
    __m512 sy = _mm512_mul_ps(y, _mm512_fmadd_ps(z, S32(-0.1665863637464564), S32(0.999999903254966)));
    __m512 cy = _mm512_fmadd_ps(z, S32(0.041653282174760276), S32(-0.4999999838749026));
    cy = _mm512_fmadd_ps(z, cy, S32(1));
    __m512 s0 = _mm512_permutex2var_ps(t->sin[0], v, t->sin[1]);
    __m512 c0 = _mm512_permutex2var_ps(t->cos[0], v, t->cos[1]);
    *s = _mm512_fmadd_ps(s0, cy, _mm512_mul_ps(c0, sy));
    *c = _mm512_fmsub_ps(c0, cy, _mm512_mul_ps(s0, sy));
}

/* ------------------------------------------------------------------ drift */
/* r = 1/(1 + 2^t), t = (theta - d (x-m)) log2 e.  The clamp passes NaN on and keeps 2^t finite. */
INLINE __m512 resp32(__m512 x, const Drift32 *k, const Tables *t) {
    __m512 big = S32(0x1.8p23 / 32), u = _mm512_min_ps(S32(120), _mm512_fmadd_ps(x, k->kw, k->kc));
    __m512 n = _mm512_add_ps(u, big), whole = _mm512_sub_ps(n, big), f = _mm512_sub_ps(u, whole);
    __m512 e = _mm512_permutex2var_ps(t->exp[0], _mm512_castps_si512(n), t->exp[1]);
    __m512 p = _mm512_fmadd_ps(f, S32(0.24022768104942185), S32(0.6931539559837037));
    __m512 D = _mm512_scalef_ps(_mm512_fmadd_ps(_mm512_mul_ps(e, f), p, e), whole);
    D = _mm512_add_ps(D, S32(1));
    __m512 y = _mm512_rcp14_ps(D);
    return _mm512_fmadd_ps(y, _mm512_fnmadd_ps(D, y, S32(1)), y);
}

INLINE __m512d resp64(__m512d x, const Drift64 *k, const Tables *t) {
    __m512d big = S64(0x1.8p52 / 16), u = _mm512_min_pd(S64(1000), _mm512_fmadd_pd(x, k->kw, k->kc));
    __m512d n = _mm512_add_pd(u, big), whole = _mm512_sub_pd(n, big), f = _mm512_sub_pd(u, whole);
    __m512d e = _mm512_permutex2var_pd(t->exp64[0], _mm512_castpd_si512(n), t->exp64[1]);
    __m512d p = _mm512_fmadd_pd(f, S64(0.0013333744338239965), S64(0.009618317140580765));
    p = _mm512_fmadd_pd(f, p, S64(0.05550410866027587));
    p = _mm512_fmadd_pd(f, p, S64(0.24022650691319414));
    p = _mm512_fmadd_pd(f, p, S64(0.6931471805599453));
    __m512d D = _mm512_scalef_pd(_mm512_fmadd_pd(_mm512_mul_pd(e, f), p, e), whole);
    D = _mm512_add_pd(D, S64(1));
    __m512d y = _mm512_rcp14_pd(D), c = _mm512_fnmadd_pd(D, y, S64(1));
    return _mm512_fmadd_pd(y, _mm512_fmadd_pd(c, c, c), y); /* y (1 + c + c^2) */
}

/* ------------------------------------------------------------------ one turn: 32 walkers */
INLINE __m512 turn32(float *x, Rng *g, const Drift32 *k, const Tables *t) {
    __m512 s, c, R = radius(draw(g), t);
    sine_cosine(draw(g), t, &s, &c);
    __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    __m512 r0 = resp32(x0, k, t), r1 = resp32(x1, k, t);
    x0 = _mm512_fmadd_ps(k->jump, r0, _mm512_fmadd_ps(k->keep, x0, k->push));
    x1 = _mm512_fmadd_ps(k->jump, r1, _mm512_fmadd_ps(k->keep, x1, k->push));
    _mm512_storeu_ps(x, _mm512_fmadd_ps(R, s, x0));
    _mm512_storeu_ps(x + 16, _mm512_fmadd_ps(R, c, x1));
    return _mm512_add_ps(r0, r1);
}

INLINE __m512d move64(double *x, __m256 noise, const Drift64 *k, const Tables *t) {
    __m512d x0 = _mm512_loadu_pd(x), r = resp64(x0, k, t);
    x0 = _mm512_fmadd_pd(k->jump, r, _mm512_fmadd_pd(k->keep, x0, k->push));
    _mm512_storeu_pd(x, _mm512_add_pd(x0, _mm512_cvtps_pd(noise)));
    return r;
}

INLINE __m512d turn64(double *x, Rng *g, const Drift64 *k, const Tables *t) {
    __m512 s, c, R = radius(draw(g), t);
    sine_cosine(draw(g), t, &s, &c);
    s = _mm512_mul_ps(R, s);
    c = _mm512_mul_ps(R, c);
    __m512d r0 = move64(x, _mm512_castps512_ps256(s), k, t);
    __m512d r1 = move64(x + 8, _mm512_extractf32x8_ps(s, 1), k, t);
    __m512d r2 = move64(x + 16, _mm512_castps512_ps256(c), k, t);
    __m512d r3 = move64(x + 24, _mm512_extractf32x8_ps(c, 1), k, t);
    return _mm512_add_pd(_mm512_add_pd(r0, r1), _mm512_add_pd(r2, r3));
}

/* One step of all walkers; returns the sum of r.  The last few, fewer than 32, move in a copy. */
#define SWEEP(NAME, T, DRIFT, VEC, TURNED, ZERO, ADD, SUM, RESP)                                   \
    static double NAME(T *x, int64_t n, Rng *rng, const DRIFT *k, const Tables *t) {               \
        double total = 0;                                                                          \
        Rng g = *rng;                                                                              \
        int64_t whole = n - n % TURN;                                                              \
        for (int64_t lo = 0; lo < whole; lo += RUN) {                                              \
            int64_t hi = lo + RUN < whole ? lo + RUN : whole;                                      \
            VEC acc = ZERO();                                                                      \
            for (int64_t i = lo; i < hi; i += TURN) acc = ADD(acc, TURNED(x + i, &g, k, t));       \
            total += SUM(acc);                                                                     \
        }                                                                                          \
        for (int64_t i = whole; i < n; i++) total += RESP(x[i], k);                                \
        if (n > whole) {                                                                           \
            T rest[TURN] = {0};                                                                    \
            memcpy(rest, x + whole, (n - whole) * sizeof(T));                                      \
            TURNED(rest, &g, k, t);                                                                \
            memcpy(x + whole, rest, (n - whole) * sizeof(T));                                      \
        }                                                                                          \
        *rng = g;                                                                                  \
        return total;                                                                              \
    }

static double one32(float x, const Drift32 *k) {
    return 1 / (1 + exp2(x * _mm512_cvtss_f32(k->kw) + _mm512_cvtss_f32(k->kc)));
}

static double one64(double x, const Drift64 *k) {
    return 1 / (1 + exp2(x * _mm512_cvtsd_f64(k->kw) + _mm512_cvtsd_f64(k->kc)));
}

SWEEP(sweep32, float, Drift32, __m512, turn32, _mm512_setzero_ps, _mm512_add_ps,
      _mm512_reduce_add_ps, one32)
SWEEP(sweep64, double, Drift64, __m512d, turn64, _mm512_setzero_pd, _mm512_add_pd,
      _mm512_reduce_add_pd, one64)

/* ------------------------------------------------------------------ the two entry points */
#define PCD(NAME, T, DRIFT, S, SWEEPED)                                                            \
    double NAME(T *x, int64_t n, int64_t steps, double theta, const Model *m, uint64_t *state) {   \
        double d = m->b - m->a, mid = (m->a + m->b) / 2;                                           \
        Tables t = make_tables(sqrt(2 * m->h));                                                    \
        __m512i *s = (__m512i *)state;                                                             \
        Rng g = {_mm512_loadu_si512(s), _mm512_loadu_si512(s + 1), _mm512_loadu_si512(s + 2),      \
                 _mm512_loadu_si512(s + 3)};                                                       \
        DRIFT k = {S(-d * LOG2E), S(0), S(1 - m->h), S(m->h * m->a), S(m->h * d)};                 \
        for (int64_t i = 0; i < steps; i++) {                                                      \
            k.kc = S((theta + d * mid) * LOG2E);                                                   \
            theta += m->eta * (SWEEPED(x, n, &g, &k, &t) / n - m->qstar);                          \
        }                                                                                          \
        _mm512_storeu_si512(s, g.s0);                                                              \
        _mm512_storeu_si512(s + 1, g.s1);                                                          \
        _mm512_storeu_si512(s + 2, g.s2);                                                          \
        _mm512_storeu_si512(s + 3, g.s3);                                                          \
        return theta;                                                                              \
    }

PCD(pcd_f32, float, Drift32, S32, sweep32)
PCD(pcd_mixed, double, Drift64, S64, sweep64)
