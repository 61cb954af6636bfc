/* c = a b for square matrices of n x n floats in rows, by one core: three ways to walk through the same n^3 products. */

#include <string.h>

/* As it is written on paper. The inner loop goes down a column of b: a step of n floats, a line of the cache each. */
void columns(const float *a, const float *b, float *c, int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            float total = 0;
            for (int k = 0; k < n; k++)
                total += a[i * n + k] * b[k * n + j];
            c[i * n + j] = total;
        }
}

/* The loops over j and k exchanged: the inner one goes along rows of b and c. A compiler can do several at a time. */
void rows(const float *restrict a, const float *restrict b, float *restrict c, int n) {
    memset(c, 0, sizeof(float) * n * n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
}

/* Eight floats in one register, and a tile of 6 x 16 sums that never leave the registers while k runs.
   n is a multiple of 48. */
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

void tiles(const float *a, const float *b, float *c, int n) {
    for (int j = 0; j < n; j += 16)
        for (int i = 0; i < n; i += 6) {
            eight sums[6][2] = {{{0}}};
            for (int k = 0; k < n; k++) {
                eight left = *(const eight *)(b + k * n + j), right = *(const eight *)(b + k * n + j + 8);
                for (int r = 0; r < 6; r++) {
                    float one = a[(i + r) * n + k];
                    sums[r][0] += one * left;
                    sums[r][1] += one * right;
                }
            }
            for (int r = 0; r < 6; r++) {
                *(eight *)(c + (i + r) * n + j) = sums[r][0];
                *(eight *)(c + (i + r) * n + j + 8) = sums[r][1];
            }
        }
}
