
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The CA of the fuzzers that open messages, whose key decrypts what is in their
 * corpora, and nothing else.
 */


#ifndef _FUZZ_CA_H_INCLUDED_
#define _FUZZ_CA_H_INCLUDED_


#include <stdlib.h>

#include <openssl/pem.h>

#include "mdm_envelope.h"


#define FUZZ_NOW   1796083200            /* 2026-12-01, 00:00 UTC */


static const char  fuzz_ca_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDITCCAgmgAwIBAgIUbXsRsgSV1aI8IJgeTj75tLzPmOAwDQYJKoZIhvcNAQEL\n"
    "BQAwFzEVMBMGA1UEAwwMRnV6eiBTQ0VQIENBMCAXDTI2MTEyOTE5NTcyMFoYDzIx\n"
    "MjYxMTA1MTk1NzIwWjAXMRUwEwYDVQQDDAxGdXp6IFNDRVAgQ0EwggEiMA0GCSqG\n"
    "SIb3DQEBAQUAA4IBDwAwggEKAoIBAQDkB7p4O/Up/jzFVmi5W4u4IGe1Wuj4f1+j\n"
    "8dIs0M9PHSxQJd0Ls30EjJbWC3VGIdwT7zvgHuaPaM/6cfyQazavOEZn/aoZvy2N\n"
    "sxWnU7nTYTTAFI18A0MmG7aHQv0gSVVdN9qDdgC5BPxo1ex9QNXlEUmOn8mfRZcw\n"
    "FAEimmdFVQxbug8RknjcQk367AWaVPQ2xgM1BXSda8XFd16mqyvT78j2I3TCcW2+\n"
    "yGpU5nXf3vX1id/skBdHxz+CQyu7JjG3O3CRKIpZ5bpIz51GOZaOcrpepbHLgCuX\n"
    "bPqfdWzmkNjW4br7QbCtwqsFVXimfLiapL/1fyYZAm/+mw7dAAlZAgMBAAGjYzBh\n"
    "MB0GA1UdDgQWBBRkCtmMcpsESswNYOok2U8DusQlmDAfBgNVHSMEGDAWgBRkCtmM\n"
    "cpsESswNYOok2U8DusQlmDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIC\n"
    "pDANBgkqhkiG9w0BAQsFAAOCAQEA39mLEU+WYM/kVoeh0BDSibtFFkp5dFjV0Uui\n"
    "qc7VrTz5GTbQwFnIx98tjN+3YmuZWRMdJ4W+Wu3/H8tIxGAMXh4uWtc70TQIE3/z\n"
    "2Oy12WcTyYay2mvIW+/1ze46o375BL5iIIblSLbS9JE6jTGTKL5UGidHVNYbr2Ul\n"
    "mr+XEfQ7tJFPKrARLlW3z5ZfA0TV3ETJwc/q/9k7iAaWzsC83m9/l6dLZOujgTE3\n"
    "xfiW1PFFPxlcMezKCGBDpiALjIs5Ah2HkVKV3Y8jUGi++mPb8h/dcIicz/MfJup+\n"
    "vdQ/D7UuVC2kszSW7iJugDk8dBsVonvuv6WrdY7cC6yTVHEZzA==\n"
    "-----END CERTIFICATE-----\n";


static const char  fuzz_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQDkB7p4O/Up/jzF\n"
    "Vmi5W4u4IGe1Wuj4f1+j8dIs0M9PHSxQJd0Ls30EjJbWC3VGIdwT7zvgHuaPaM/6\n"
    "cfyQazavOEZn/aoZvy2NsxWnU7nTYTTAFI18A0MmG7aHQv0gSVVdN9qDdgC5BPxo\n"
    "1ex9QNXlEUmOn8mfRZcwFAEimmdFVQxbug8RknjcQk367AWaVPQ2xgM1BXSda8XF\n"
    "d16mqyvT78j2I3TCcW2+yGpU5nXf3vX1id/skBdHxz+CQyu7JjG3O3CRKIpZ5bpI\n"
    "z51GOZaOcrpepbHLgCuXbPqfdWzmkNjW4br7QbCtwqsFVXimfLiapL/1fyYZAm/+\n"
    "mw7dAAlZAgMBAAECggEABoXSElkPYkF2K47qiqLRFFXuTC8VivDZzi6/Ua4yFT6Y\n"
    "Yz0yCCunioHFrsm/yQnJlH27ZhB8N+NKT7etqdPnSeEqN79Me6q5pYasj+TCjrFb\n"
    "zkLIPqE5QoB4cCtnt4y2zGZ/Rv4RIeRqnp+/7AqhaQldjp7eKELYAvVk3ZXdGQvl\n"
    "QyfMoCKhaydUXzC1kNdQsMuUR2lGprhVFr11J2N+QfLA1LHP7gKAaiatDAXBoJ0F\n"
    "IRgS9Q5ZLGbLiON9HUCDWYprvJETnbegyxwAlfSFbpt0EM3eADEnFvuYXXqRo62R\n"
    "Vl3D3mvxJGirG6eYNE8E2NF4QsNR/hJkMrA+ziPKgQKBgQD2/V5GACK0NHzJrEho\n"
    "1rn7sIel7PVYjFECzhmid0ecZlAKfpJF1GjIj8R0S+MPQlzVBcluBVw9rpt6Os7j\n"
    "eDXcZ9IdOx08m2CKG2roLBbYm+6IZ11hlu1ZmuptYf5+xKhqs3z9AWn2T63G6lim\n"
    "RKebgSF6qap02lTbuGl9bDiddQKBgQDsWUwoHwMJyHF2TqxuTgumNekwFQ0Yyju+\n"
    "W+OTd2couN2igKyXd1oREOo3NuDDVTn4aKsii58nJtS/Ibcx8muy+ztzJ94fqVIL\n"
    "wJW6TA5AQFMImW5ZNcgVs1AF/hC5NJaKAUkgFwA1Z01mnEHZIdj2KE8Mo3eMRnR2\n"
    "FYTBXX0L1QKBgQCW7OZhog2Szov+dG9e2O+XFB0f0DdwH3YVX7mcZIT21jJM52Ec\n"
    "mJpbDDcA1apvFZ9CcKHQwCfIbV0GiM8Jgthu0WY8hHXuJggM/IoMS3y+ajKNWZRf\n"
    "YOmymo5rvrjT3/oGEZ3rwKRuZewLpAH9v/AnfvXlTa4ib5PxG7QidzH1TQKBgQCF\n"
    "uvkmcnWroWjhwh46w5o/z51EAYVJk5Q+X4vjMtqB5igx/JCrm3Kw2VtNJpYCsER+\n"
    "0+qRP2MsKgKSqycW8c4SlajLvbEnRQ0RbUTLBqHBpSPWZ8pSW+X8sVsEKP+Za7IK\n"
    "IDQaHimWDf9zodJ4Y3h5v9EKm6vXCT54WjCloJpSiQKBgQC4LiZ/JMeRnlhOlv7H\n"
    "8m//LPfvC9Z9ixGxPbFR5Ma5X7wdJfHsxM30paQ83wzReog28OncxsMUcfQ4NLCw\n"
    "d1L2Dx2w4NyEbYgaYxPou0s+ixB2hvGgCT5g2OcrJGLEkSn2lz0gf9foMQ4ym1HV\n"
    "BvrvRkY5CPyqgZphsX4qBzJBJg==\n"
    "-----END PRIVATE KEY-----\n";


static inline void
fuzz_ca(mdm_envelope_keys_t *keys)
{
    BIO  *bio;

    memset(keys, 0, sizeof(mdm_envelope_keys_t));

    bio = BIO_new_mem_buf(fuzz_ca_pem, sizeof(fuzz_ca_pem) - 1);
    keys->cert[0] = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);

    bio = BIO_new_mem_buf(fuzz_key_pem, sizeof(fuzz_key_pem) - 1);
    keys->key[0] = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);

    keys->des3 = 1;
    keys->des = mdm_envelope_des_create();

    if (keys->cert[0] == NULL || keys->key[0] == NULL) {
        abort();
    }
}


#endif /* _FUZZ_CA_H_INCLUDED_ */
