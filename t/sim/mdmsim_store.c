
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Identities that were given to devices.  DIR/SEED-N.pem has the certificate
 * and the key of device N, as curl and openssl take them, and a line before
 * them that counts its keys; DIR/SEED-N.old.pem what it had before.
 */


#include "mdmsim_ca.h"
#include "mdmsim_store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>


#define SIM_STORE_NAME  4096
#define SIM_STORE_LINE  "generation "


static void sim_store_name(char *name, const char *dir, uint64_t seed,
    uint32_t number, const char *end);


static void
sim_store_name(char *name, const char *dir, uint64_t seed, uint32_t number,
    const char *end)
{
    snprintf(name, SIM_STORE_NAME, "%s/%llu-%u%s", dir,
             (unsigned long long) seed, (unsigned) number, end);
}


int
sim_store_get(const char *dir, uint64_t seed, uint32_t number, int previous,
    sim_stored_t *s)
{
    BIO        *bio;
    char        name[SIM_STORE_NAME];
    size_t      n;
    sim_buf_t   text;

    sim_store_name(name, dir, seed, number, previous ? ".old.pem" : ".pem");

    if (access(name, F_OK) == -1 && errno == ENOENT) {
        return SIM_AGAIN;
    }

    memset(s, 0, sizeof(sim_stored_t));
    memset(&text, 0, sizeof(sim_buf_t));
    sim_read_file(name, &text);

    n = sizeof(SIM_STORE_LINE) - 1;

    if (text.len > n && memcmp(text.data, SIM_STORE_LINE, n) == 0) {
        s->generation = (uint32_t) strtoul(text.data + n, NULL, 10);
    }

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio != NULL) {
        s->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        s->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *) "");
    }

    if (s->cert == NULL || s->key == NULL
        || X509_check_private_key(s->cert, s->key) != 1)
    {
        sim_die("no certificate with its key in \"%s\"", name);
    }

    BIO_free(bio);
    OPENSSL_cleanse(text.data, text.len);
    sim_buf_free(&text);

    return SIM_OK;
}


void
sim_store_release(sim_stored_t *s)
{
    X509_free(s->cert);
    EVP_PKEY_free(s->key);
    s->cert = NULL;
    s->key = NULL;
}


void
sim_store_put(const char *dir, uint64_t seed, uint32_t number,
    const sim_stored_t *s)
{
    BIO        *bio;
    char        name[SIM_STORE_NAME], old[SIM_STORE_NAME];
    char        new[SIM_STORE_NAME], *data;
    long        len;
    sim_buf_t   text;

    if (mkdir(dir, 0700) == -1 && errno != EEXIST) {
        sim_die("cannot create \"%s\": %s", dir, strerror(errno));
    }

    bio = BIO_new(BIO_s_mem());

    if (bio == NULL
        || BIO_printf(bio, SIM_STORE_LINE "%u\n", (unsigned) s->generation)
           <= 0
        || PEM_write_bio_X509(bio, s->cert) != 1
        || PEM_write_bio_PrivateKey(bio, s->key, NULL, NULL, 0, NULL, NULL)
           != 1)
    {
        sim_ssl_die("cannot write PEM");
    }

    memset(&text, 0, sizeof(sim_buf_t));
    len = BIO_get_mem_data(bio, &data);
    sim_buf_add(&text, data, (size_t) len);

    /* at no time a part of it, nor none */

    sim_store_name(name, dir, seed, number, ".pem");
    sim_store_name(old, dir, seed, number, ".old.pem");
    sim_store_name(new, dir, seed, number, ".new.pem");

    sim_write_file(new, &text, 0600, 1);

    (void) unlink(old);

    if ((link(name, old) == -1 && errno != ENOENT)
        || rename(new, name) == -1)
    {
        sim_die("cannot write \"%s\": %s", name, strerror(errno));
    }

    OPENSSL_cleanse(data, (size_t) len);
    OPENSSL_cleanse(text.data, text.len);
    sim_buf_free(&text);
    BIO_free(bio);
}
