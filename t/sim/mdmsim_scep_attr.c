
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Signed attributes of SCEP messages.
 */


#include "mdmsim_ca.h"
#include "mdmsim_scep.h"


static ASN1_OBJECT *sim_scep_oid(const char *oid);


static ASN1_OBJECT *
sim_scep_oid(const char *oid)
{
    ASN1_OBJECT  *obj;

    obj = OBJ_txt2obj(oid, 1);
    if (obj == NULL) {
        sim_ssl_die("no OID");
    }

    return obj;
}


int
sim_scep_attr_add(CMS_SignerInfo *si, const char *oid, int type,
    const void *data, size_t len)
{
    int           rc;
    ASN1_OBJECT  *obj;

    obj = sim_scep_oid(oid);
    rc = CMS_signed_add1_attr_by_OBJ(si, obj, type, data, (int) len);
    ASN1_OBJECT_free(obj);

    return rc == 1 ? SIM_OK : SIM_ERROR;
}


const ASN1_STRING *
sim_scep_attr(CMS_SignerInfo *si, const char *oid, int type)
{
    int              i;
    ASN1_TYPE       *value;
    ASN1_OBJECT     *obj;
    X509_ATTRIBUTE  *attr;

    attr = NULL;
    obj = sim_scep_oid(oid);
    i = CMS_signed_get_attr_by_OBJ(si, obj, -1);

    if (i >= 0 && CMS_signed_get_attr_by_OBJ(si, obj, i) < 0) {
        attr = CMS_signed_get_attr(si, i);
    }

    ASN1_OBJECT_free(obj);

    if (attr == NULL || X509_ATTRIBUTE_count(attr) != 1) {
        return NULL;
    }

    value = X509_ATTRIBUTE_get0_type(attr, 0);

    return value == NULL || value->type != type ? NULL
                                                : value->value.asn1_string;
}
