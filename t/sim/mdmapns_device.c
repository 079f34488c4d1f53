
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The stand-in for APNs: devices that wait for pushes, and pushes that are kept
 * for those that are away, one a token.
 */


#include <stdlib.h>
#include <string.h>

#include "mdmapns.h"


#define APNS_SLOTS  65536


typedef struct apns_device_s  apns_device_t;

struct apns_device_s {
    apns_device_t            *next;        /* of the slot */
    apns_control_t           *control;     /* NULL: it is away */
    char                     *body;        /* of a push; NULL: none is kept */
    char                      token[];
};


static apns_device_t  *apns_devices[APNS_SLOTS];


static apns_device_t *apns_device(const char *token);
static int apns_device_send(apns_device_t *d, const char *body, size_t len);


static apns_device_t *
apns_device(const char *token)
{
    size_t           len;
    unsigned         hash;
    const char      *p;
    apns_device_t   *d, **slot;

    /* FNV-1a */

    hash = 2166136261u;

    for (p = token; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char) *p) * 16777619u;
    }

    slot = &apns_devices[(hash ^ (hash >> 16)) % APNS_SLOTS];

    for (d = *slot; d != NULL; d = d->next) {
        if (strcmp(d->token, token) == 0) {
            return d;
        }
    }

    len = (size_t) (p - token) + 1;
    d = malloc(sizeof(apns_device_t) + len);

    if (d != NULL) {
        d->control = NULL;
        d->body = NULL;
        memcpy(d->token, token, len);
        d->next = *slot;
        *slot = d;
    }

    return d;
}


void
apns_device_push(const char *token, const char *body, size_t len)
{
    apns_device_t  *d;

    d = apns_device(token);

    if (d == NULL || apns_device_send(d, body, len) == 0) {
        return;
    }

    /* the newest takes the place of the one before */

    free(d->body);
    d->body = strndup(body, len);
}


void
apns_device_here(const char *token, apns_control_t *c)
{
    apns_device_t  *d;

    d = apns_device(token);

    if (d == NULL) {
        return;
    }

    d->control = c;

    if (d->body != NULL && apns_device_send(d, d->body, strlen(d->body)) == 0)
    {
        free(d->body);
        d->body = NULL;
    }
}


/* -1: it is away */

static int
apns_device_send(apns_device_t *d, const char *body, size_t len)
{
    int   n;
    char  line[4096 + 512];

    if (d->control == NULL || len > 4096) {
        return -1;
    }

    n = snprintf(line, sizeof(line), "push %s %.*s\n", d->token, (int) len,
                 body);

    return apns_control_send(d->control, line, (size_t) n);
}


void
apns_device_gone(apns_control_t *c)
{
    size_t          i;
    apns_device_t  *d;

    for (i = 0; i < APNS_SLOTS; i++) {

        for (d = apns_devices[i]; d != NULL; d = d->next) {
            if (d->control == c) {
                d->control = NULL;
            }
        }
    }
}
