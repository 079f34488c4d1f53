
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * profileparts rsa|ec COUNT: an enrolment profile, built and signed, against
 * CMS_sign() of the same text alone, with a key of RSA-2048 or P-256 and one
 * certificate above it.  Both take turns, in rounds of 20.  Prints the medians
 * of COUNT rounds, in microseconds of CPU a profile: CMS_sign(), building, all
 * of it; and of the ratios of all of it to CMS_sign() the median, the least and
 * the greatest.
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "enrollment.h"
#include "mdm_profile.h"


#define PARTS_TURNS  20                    /* of a round */


typedef struct {
    mdm_enroll_block_t        block;
    mdm_profile_t             profile;
    mdm_str_t                 xml;         /* what CMS_sign() is given */
} parts_t;


static void parts_check(int ok, const char *what);
static X509 *parts_cert(EVP_PKEY *subject, X509 *issuer, EVP_PKEY *by,
    const char *cn);
static void parts_init(parts_t *p, int rsa);
static void parts_sign(const parts_t *p);
static void parts_build(const parts_t *p);
static void parts_make(const parts_t *p);
static double parts_time(const parts_t *p, void (*what)(const parts_t *p));
static int parts_cmp(const void *a, const void *b);
static double parts_median(double *values, int n);


static void
parts_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "profileparts: %s failed\n", what);
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}


static X509 *
parts_cert(EVP_PKEY *subject, X509 *issuer, EVP_PKEY *by, const char *cn)
{
    X509       *cert;
    X509_NAME  *name;

    cert = X509_new();
    name = X509_get_subject_name(cert);

    parts_check(subject != NULL && cert != NULL
                && X509_set_version(cert, 2) == 1
                && ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) == 1
                && X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL
                && X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL
                && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                              (const unsigned char *) cn, -1,
                                              -1, 0)
                   == 1
                && X509_set_issuer_name(cert, issuer != NULL
                                              ? X509_get_subject_name(issuer)
                                              : name)
                   == 1
                && X509_set_pubkey(cert, subject) == 1
                && X509_sign(cert, by, EVP_sha256()) > 0,
                "a certificate");

    return cert;
}


static void
parts_init(parts_t *p, int rsa)
{
    X509         *above;
    EVP_PKEY     *key;
    mdm_arena_t  *arena;

    static mdm_str_t  capabilities[] = {
        mdm_string("com.apple.mdm.per-user-connections"),
        mdm_string("com.apple.mdm.bootstraptoken")
    };

    memset(p, 0, sizeof(parts_t));

    p->block = enrollment_main;
    p->block.capabilities = capabilities;
    p->block.ncapabilities = 2;

    key = EVP_RSA_gen(2048);
    above = parts_cert(key, NULL, key, "above");

    p->block.sign_key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    p->block.sign = parts_cert(p->block.sign_key, above, key, "mdm.example");
    p->block.sign_chain = sk_X509_new_null();
    parts_check(sk_X509_push(p->block.sign_chain, above) > 0, "a chain");

    p->profile.block = &p->block;
    p->profile.topic = p->block.topic;
    mdm_str_set(&p->profile.tenant, "default");
    mdm_str_set(&p->profile.challenge,
                "n0t-a-s3cret-n0t-a-s3cret-n0t-a-s3cret-0123");

    /* is kept: nothing frees this arena */

    arena = mdm_arena_create(4096);
    parts_check(arena != NULL
                && mdm_profile_prepare(arena, &p->block) == MDM_OK
                && mdm_profile_enrollment(arena, &p->profile, &p->xml)
                   == MDM_OK,
                "a profile");
}


static void
parts_sign(const parts_t *p)
{
    int               len;
    BIO              *bio;
    unsigned char    *der;
    CMS_ContentInfo  *cms;

    der = NULL;
    bio = BIO_new_mem_buf(p->xml.data, (int) p->xml.len);
    cms = CMS_sign(p->block.sign, p->block.sign_key, p->block.sign_chain, bio,
                   CMS_BINARY|CMS_NOSMIMECAP);
    parts_check(cms != NULL, "CMS_sign");

    len = i2d_CMS_ContentInfo(cms, &der);
    parts_check(len > 0, "encoding");

    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);
}


static void
parts_build(const parts_t *p)
{
    mdm_str_t     xml;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(4096);
    parts_check(arena != NULL
                && mdm_profile_enrollment(arena, &p->profile, &xml) == MDM_OK,
                "building");
    mdm_arena_destroy(arena);
}


static void
parts_make(const parts_t *p)
{
    mdm_str_t     der;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(4096);
    parts_check(arena != NULL
                && mdm_profile_make(arena, &p->profile, &der) == MDM_OK,
                "a profile");
    mdm_arena_destroy(arena);
}


static double
parts_time(const parts_t *p, void (*what)(const parts_t *p))
{
    int              i;
    struct timespec  begin, end;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);

    for (i = 0; i < PARTS_TURNS; i++) {
        what(p);
    }

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);

    return ((double) (end.tv_sec - begin.tv_sec) * 1e6
            + (double) (end.tv_nsec - begin.tv_nsec) / 1e3) / PARTS_TURNS;
}


static int
parts_cmp(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}


static double
parts_median(double *values, int n)
{
    qsort(values, (size_t) n, sizeof(double), parts_cmp);

    return values[n / 2];
}


int
main(int argc, char **argv)
{
    int       i, n, rsa;
    double   *sign, *build, *make, *ratio, median;
    parts_t   p;

    n = argc == 3 ? atoi(argv[2]) : 0;
    rsa = argc == 3 && strcmp(argv[1], "rsa") == 0;

    if (n <= 0 || (!rsa && strcmp(argv[1], "ec") != 0)) {
        fprintf(stderr, "usage: profileparts rsa|ec COUNT\n");
        return 2;
    }

    parts_init(&p, rsa);

    sign = calloc(4 * (size_t) n, sizeof(double));
    parts_check(sign != NULL, "memory");

    build = sign + n;
    make = build + n;
    ratio = make + n;

    /* the first ones have more to do */

    (void) parts_time(&p, parts_sign);
    (void) parts_time(&p, parts_make);

    for (i = 0; i < n; i++) {
        sign[i] = parts_time(&p, parts_sign);
        build[i] = parts_time(&p, parts_build);
        make[i] = parts_time(&p, parts_make);
        ratio[i] = make[i] / sign[i];
    }

    median = parts_median(ratio, n);

    printf("%.1f %.1f %.1f %.3f %.3f %.3f\n", parts_median(sign, n),
           parts_median(build, n), parts_median(make, n), median, ratio[0],
           ratio[n - 1]);

    free(sign);

    return 0;
}
