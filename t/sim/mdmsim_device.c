
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The fleet: who device N is follows from the seed and from N alone, so
 * nothing is kept and every run meets the same devices.
 */


#include "mdmsim_device.h"

#include <stdlib.h>


typedef struct {
    const char               *product;
    const char               *model_name;
    const char               *model;       /* first letters of an order no. */
} sim_model_t;


typedef struct {
    const char               *version;
    const char               *build;
} sim_os_t;


static int sim_kind_has_users(sim_kind_e kind);
static sim_kind_e sim_device_kind(const sim_fleet_t *f, uint64_t hash);
static void sim_device_model(sim_device_t *d);
static void sim_device_os(sim_device_t *d);
static void sim_device_name(sim_device_t *d);


static const char  *sim_kind_names[] = {
    "iphone", "ipad", "mac", "tv", "shared", "byod", "macbyod"
};

static const char  *sim_people[] = {
    "Anna", "Ben", "Chloé", "David", "Elif", "Farid", "Grace", "Hiroshi",
    "Ines", "Jürgen", "Katarzyna", "Liam", "María José", "Nnamdi", "Olga",
    "Priya", "Quentin", "Rosa & Tim", "Søren", "Thandiwe", "Ursula",
    "Vasily", "Wei", "Xavier", "Yuki", "Zoë"
};

static const sim_model_t  sim_iphones[] = {
    { "iPhone12,8", "iPhone", "MX9T2" }, { "iPhone13,2", "iPhone", "MGHN3" },
    { "iPhone14,5", "iPhone", "MLPK3" }, { "iPhone14,6", "iPhone", "MMX83" },
    { "iPhone15,2", "iPhone", "MQ0E3" }, { "iPhone15,4", "iPhone", "MTP03" },
    { "iPhone16,2", "iPhone", "MU6C3" }, { "iPhone17,3", "iPhone", "MYDX3" }
};

static const sim_model_t  sim_ipads[] = {
    { "iPad11,6", "iPad", "MYL92" }, { "iPad12,1", "iPad", "MK2K3" },
    { "iPad13,16", "iPad", "MM9C3" }, { "iPad13,18", "iPad", "MPQ03" },
    { "iPad14,3", "iPad", "MNXD3" }, { "iPad14,8", "iPad", "MUWC3" }
};

static const sim_model_t  sim_macs[] = {
    { "MacBookAir10,1", "MacBook Air", "MGN63" },
    { "MacBookPro18,3", "MacBook Pro", "MKGR3" },
    { "Mac14,2", "MacBook Air", "MLXW3" },
    { "Mac14,3", "Mac mini", "MMFJ3" },
    { "Mac15,6", "MacBook Pro", "MRX33" },
    { "Mac15,4", "iMac", "MQRA3" }
};

static const sim_model_t  sim_tvs[] = {
    { "AppleTV6,2", "Apple TV", "MQD22" },
    { "AppleTV11,1", "Apple TV", "MXGY2" },
    { "AppleTV14,1", "Apple TV", "MN873" }
};

static const sim_os_t  sim_ios[] = {
    { "16.7.10", "20H350" }, { "17.6.1", "21G93" }, { "17.7", "21H16" },
    { "18.0.1", "22A3370" }, { "18.1", "22B83" }, { "18.1.1", "22B91" }
};

static const sim_os_t  sim_macos[] = {
    { "13.7.1", "22H221" }, { "14.6.1", "23G93" }, { "14.7.1", "23H222" },
    { "15.0.1", "24A348" }, { "15.1", "24B83" }, { "15.1.1", "24B91" }
};

static const sim_os_t  sim_tvos[] = {
    { "17.6.1", "21M80" }, { "18.0", "22J357" }, { "18.1", "22J580" }
};


/* "iphone:50,mac:30": weights; a name alone weighs 1 */

int
sim_kinds_parse(sim_fleet_t *f, const char *text)
{
    char           *end;
    size_t          n;
    unsigned        i;
    const char     *p;
    unsigned long   weight;

    memset(f->weight, 0, sizeof(f->weight));
    f->weights = 0;

    for (p = text; /* void */ ; p++) {
        n = strcspn(p, ":,");

        for (i = 0; i < SIM_KINDS; i++) {
            if (strlen(sim_kind_names[i]) == n
                && memcmp(sim_kind_names[i], p, n) == 0)
            {
                break;
            }
        }

        if (i == SIM_KINDS) {
            return SIM_ERROR;
        }

        p += n;
        weight = 1;

        if (*p == ':') {
            p++;
            if (*p < '0' || *p > '9') {
                return SIM_ERROR;
            }

            weight = strtoul(p, &end, 10);
            if (weight > 1000000) {
                return SIM_ERROR;
            }

            p = end;
        }

        f->weight[i] += (uint32_t) weight;
        f->weights += (uint32_t) weight;

        if (f->weights > 100000000) {
            return SIM_ERROR;
        }

        if (*p == '\0') {
            break;
        }

        if (*p != ',') {
            return SIM_ERROR;
        }
    }

    return f->weights == 0 ? SIM_ERROR : SIM_OK;
}


static int
sim_kind_has_users(sim_kind_e kind)
{
    return kind == SIM_MAC || kind == SIM_SHARED || kind == SIM_MACBYOD;
}


static sim_kind_e
sim_device_kind(const sim_fleet_t *f, uint64_t hash)
{
    uint32_t  i, r;

    r = (uint32_t) (sim_mix(hash ^ 1) % f->weights);

    for (i = 0; i < SIM_KINDS - 1; i++) {
        if (r < f->weight[i]) {
            break;
        }

        r -= f->weight[i];
    }

    return (sim_kind_e) i;
}


uint32_t
sim_device_users(const sim_fleet_t *f, uint32_t number)
{
    uint64_t  hash;

    if (f->users == 0) {
        return 0;
    }

    hash = sim_hash(f->seed, number, 0);

    return sim_kind_has_users(sim_device_kind(f, hash)) ? f->users : 0;
}


void
sim_device(const sim_fleet_t *f, uint32_t number, sim_device_t *d)
{
    unsigned  i, sum, digit;
    uint64_t  x;

    static const char  abc[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

    d->number = number;
    d->hash = sim_hash(f->seed, number, 0);
    d->kind = sim_device_kind(f, d->hash);

    sim_uuid(d->hash, d->id);

    x = sim_mix(d->hash ^ 2);
    for (i = 0; i < 12; i++) {
        d->serial[i] = abc[x % 34];
        x /= 34;
    }
    d->serial[12] = '\0';

    /* an IMEI with its check digit */

    x = sim_mix(d->hash ^ 3);
    memcpy(d->imei, "35", 2);
    for (i = 2; i < 14; i++) {
        d->imei[i] = (char) ('0' + x % 10);
        x /= 10;
    }

    sum = 0;
    for (i = 0; i < 14; i++) {
        digit = (unsigned) (d->imei[i] - '0');
        if (i & 1) {
            digit *= 2;
            digit = digit / 10 + digit % 10;
        }
        sum += digit;
    }
    d->imei[14] = (char) ('0' + (10 - sum % 10) % 10);
    d->imei[15] = '\0';

    sim_device_model(d);
    sim_device_os(d);
    sim_device_name(d);
}


#define sim_pick(table, hash)                                                 \
    (&(table)[(hash) % (sizeof(table) / sizeof((table)[0]))])


static void
sim_device_model(sim_device_t *d)
{
    uint64_t            x;
    const char         *region;
    const sim_model_t  *m;

    static const char  *regions[] = { "LL/A", "D/A", "J/A", "ZD/A", "B/A" };

    x = sim_mix(d->hash ^ 4);

    switch (d->kind) {

    case SIM_IPAD:
    case SIM_SHARED:
        m = sim_pick(sim_ipads, x);
        break;

    case SIM_MAC:
    case SIM_MACBYOD:
        m = sim_pick(sim_macs, x);
        break;

    case SIM_TV:
        m = sim_pick(sim_tvs, x);
        break;

    default:
        m = sim_pick(sim_iphones, x);
        break;
    }

    region = *sim_pick(regions, x >> 32);

    d->product = m->product;
    d->model_name = m->model_name;
    snprintf(d->model, sizeof(d->model), "%s%s", m->model, region);
}


static void
sim_device_os(sim_device_t *d)
{
    uint64_t         x;
    const sim_os_t  *os;

    x = sim_mix(d->hash ^ 5);

    switch (d->kind) {

    case SIM_MAC:
    case SIM_MACBYOD:
        os = sim_pick(sim_macos, x);
        break;

    case SIM_TV:
        os = sim_pick(sim_tvos, x);
        break;

    default:
        os = sim_pick(sim_ios, x);
        break;
    }

    d->os = os->version;
    d->build = os->build;
}


static void
sim_device_name(sim_device_t *d)
{
    uint64_t     x;
    const char  *person;

    x = sim_mix(d->hash ^ 6);
    person = *sim_pick(sim_people, x);

    switch (x >> 32 & 3) {

    case 0:
        snprintf(d->name, sizeof(d->name), "%s-%s", d->model_name,
                 d->serial + 8);
        break;

    case 1:
        snprintf(d->name, sizeof(d->name), "%s", d->model_name);
        break;

    default:
        snprintf(d->name, sizeof(d->name), "%s\xe2\x80\x99s %s", person,
                 d->model_name);
        break;
    }
}


void
sim_device_user(const sim_fleet_t *f, const sim_device_t *d, uint32_t user,
    sim_user_t *u)
{
    uint64_t     x;
    const char  *person;

    x = sim_hash(f->seed, d->number, 1000 + user);
    person = *sim_pick(sim_people, x >> 8);

    sim_uuid(x, u->id);
    snprintf(u->long_name, sizeof(u->long_name), "%s No. %u", person,
             (unsigned) user);

    if (d->kind == SIM_SHARED) {
        strcpy(u->id, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF");
        snprintf(u->short_name, sizeof(u->short_name),
                 "user%u.%u@appleid.example.com", (unsigned) user,
                 (unsigned) d->number);
        snprintf(u->enrollment, sizeof(u->enrollment), "%s:%s", d->id,
                 u->short_name);
        return;
    }

    snprintf(u->short_name, sizeof(u->short_name), "user%u", (unsigned) user);
    snprintf(u->enrollment, sizeof(u->enrollment), "%s:%s", d->id, u->id);
}
