
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Partitions and keys.  Every device belongs to partition
 * CRC16(device-channel id) mod P; the keys of a partition carry the hash tag
 * {tenant/p} and so share a cluster slot.  Scripts get the tag's prefix,
 * "mdm:{tenant/p}", as KEYS[1] and build the rest from it.
 */


#ifndef _MDM_KEY_H_INCLUDED_
#define _MDM_KEY_H_INCLUDED_


#include "mdm_base.h"


#define MDM_PARTITIONS_MAX    16384
/* of the keyspace, as meta.lua writes and knows it; see docs/upgrade.md */
#define MDM_KEYSPACE_VERSION  "2"

#define MDM_TENANT_MAX        64


/* CRC16 as Redis Cluster computes it (XMODEM: polynomial 0x1021, init 0) */
uint16_t mdm_crc16(const u_char *data, size_t len);

/* the slots of a Redis Cluster */
#define MDM_SLOTS  16384

/* the slot of a key with a hash tag, "…{tag}…", or without one */
uint32_t mdm_key_slot(const mdm_str_t *key);

/* the partition of a device-channel id (raw, not escaped) */
uint32_t mdm_partition(const mdm_str_t *device, uint32_t partitions);

/* "mdm:{tenant/p}"; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_partition(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, uint32_t partition);

/* "mdm:{tenant/cert:<sha256>}"; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_certificate(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *sha256);

/*
 * "mdm:{tenant/serial:<serial>}": the device-channel ids (key form) that came
 * with this serial number, which is a raw one.  It is percent-encoded, and
 * letters are upper case: certificates are compared without case, too.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_key_serial(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *serial);

/* the key form of a serial number, as it stands there; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_serial_number(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *serial);

/* "mdm:{tenant/block}", devices that are blocked; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_block(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant);

/* "mdm:{tenant/ddm}", the master copy of declarations; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_declarations(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant);

/* "mdm:{tenant/push}", push certificates; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_push(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant);

/* "mdm:{tenant/ca}", what is known of challenges and certificates that belong
   to no device; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_ca(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant);

/* "mdm:{tenant/prof}", the lists of links and serial numbers, setups, and more
   of what enrolling needs; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_profiles(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant);

/* "mdm:{tenant/link:<sha256>}", a link to enroll by; MDM_OK or MDM_ERROR */
mdm_int_t mdm_key_link(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *sha256);

/*
 * "mdm:{tenant/dev:<serial>}", an owned device; the serial number is in key
 * form, see mdm_owned_name().  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_key_owned(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *name);

/*
 * "mdm:{tenant/chal:<sha256>}", a one-time challenge; "mdm:{tenant/spki:
 * <sha256>}", a public key that was certified.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_key_challenge(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *sha256);
mdm_int_t mdm_key_spki(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *sha256);

/*
 * "mdm:{tenant/sn:<ca>:<serial>}": which certificate of a CA has this serial
 * number, which is in hex.  Letters are lower case.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_key_issued(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *ca, const mdm_str_t *serial);

/*
 * The key form of an enrollment id: percent-encoded but for ":".  Redis
 * holds ids in this form everywhere; the API shows them decoded.
 */
mdm_int_t mdm_key_id(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *id);

/* the key form of a CommandUUID: percent-encoded, ":" too */
mdm_int_t mdm_key_uuid(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *uuid);

/* 1 to 64 of A-Z a-z 0-9 - . _ : MDM_OK, else MDM_DECLINED */
mdm_int_t mdm_tenant_check(const mdm_str_t *tenant);


#endif /* _MDM_KEY_H_INCLUDED_ */
